"""One attempt, from assignment to ending outcome, without any fleet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout import failpoint
from matscout.clock import VirtualClock
from matscout.errors import ExperimentFailed, InvalidValue
from matscout.evaluate.base import Context
from matscout.fleet.outbox import Outbox
from matscout.fleet.worker import (
    MadeOnce,
    assignment_from_json,
    assignment_to_json,
    attempt,
    run_attempt,
)
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Measurement, Params, Report, Target

TARGETS = (Target("y"), Target("z"))
GIVEN = Assignment(4, 2, {"x": 1.0, "label": "a"}, candidate="c-1", seed=9)


@dataclass
class Says:
    """An evaluator whose `evaluate` is the given function."""

    function: Callable[[Params, Context], Any]
    costly: bool = False

    def evaluate(self, params: Params, context: Context) -> Any:
        return self.function(params, context)


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoint.arm("")


def heard(function: Callable[[Params, Context], Any], **options: Any) -> list[Outcome]:
    options = {"targets": TARGETS, "folder": None, "worker_name": "w", **options}
    assignment = options.pop("assignment", GIVEN)
    return list(attempt(Says(function), assignment, **options))


def yields(*items: Any) -> Callable[[Params, Context], Iterator[Any]]:
    return lambda params, context: iter(items)


def test_the_context_says_what_the_assignment_says(folder: RunFolder) -> None:
    seen: list[Any] = []

    def look(params: Params, context: Context) -> Iterator[Measurement]:
        seen.append((dict(params), context))
        yield Measurement({"y": 1.0, "z": 2.0})

    reports: list[Outcome] = []
    ending = run_attempt(Says(look), GIVEN, TARGETS, folder, reports.append, device="cuda:0")
    params, context = seen[0]
    assert params == {"x": 1.0, "label": "a"}
    assert (context.trial, context.attempt, context.seed) == (4, 2, 9)
    assert (context.candidate, context.device) == ("c-1", "cuda:0")
    assert context.checkpoints.folder == folder.checkpoints(4)
    assert ending.kind is Kind.MEASURED and reports == []


def test_measurement_with_everything(folder: RunFolder) -> None:
    measurement = Measurement(
        {"y": np.float32(1.5), "z": Fraction(1, 4), "extra": 7, "no": math.nan, "word": "x"},  # type: ignore[dict-item]
        {"y": 0.1, "z": -1.0, "other": 0.2},
        cost_s=12.5,
        source="spectrometer\n3",
    )
    (ending,) = heard(yields(measurement), folder=folder)
    assert ending.values == {"y": 1.5, "z": 0.25, "extra": 7.0}
    assert ending.sem == {"y": 0.1}
    assert (ending.cost_s, ending.source, ending.worker) == (12.5, "spectrometer 3", "w")
    assert Outbox(folder.outbox).sweep() == [ending]


def test_cost_is_the_time_it_took_unless_it_is_told() -> None:
    clock = VirtualClock()

    def work(params: Params, context: Context) -> Iterator[Measurement]:
        clock.advance(3.0)
        yield Measurement({"y": 1, "z": 1}, cost_s=params.get("cost"))  # type: ignore[arg-type]

    assert heard(work, clock=clock)[-1].cost_s == 3.0
    for nonsense in (math.nan, -1.0, "long"):
        given = Assignment(0, 1, {"cost": nonsense})
        assert heard(work, clock=clock, assignment=given)[-1].cost_s == 3.0


@pytest.mark.parametrize(
    ("said", "values"),
    [(2.5, {"y": 2.5}), ({"y": 1}, {"y": 1.0}), (np.array([3.0]), {"y": 3.0}), (None, None)],
)
def test_a_plain_function_may_just_return(said: Any, values: dict[str, float] | None) -> None:
    (ending,) = heard(lambda params, context: said, targets=(Target("y"),))
    assert ending.kind is (Kind.INVALID if values is None else Kind.MEASURED)
    assert ending.values == (values or {})


@given(
    st.one_of(
        st.none(),
        st.text(),
        st.booleans(),
        st.complex_numbers(),
        st.lists(st.floats()),
        st.sampled_from([math.nan, math.inf, -math.inf, 10**400, object(), float, np.zeros(3)]),
    )
)
def test_no_nonsense_becomes_a_value(value: Any) -> None:
    """Promise R10."""
    for said in (value, {"y": value, "z": 1.0}, Measurement({"y": value, "z": 1.0})):
        (ending,) = heard(yields(said))
        assert ending.kind is Kind.INVALID
        assert ending.values == {} and ending.reason


def test_reports_keep_their_finite_values() -> None:
    outcomes = heard(
        yields(
            Report(1, {"loss": 1.0, "bad": math.nan}),
            Report(2, {"loss": math.inf}),
            Report(np.int64(3), {"loss": math.nan}, checkpoint=True),  # type: ignore[arg-type]
            Measurement({"y": 1.0, "z": 1.0}),
        )
    )
    assert [(o.step, o.values, o.checkpoint) for o in outcomes[:-1]] == [
        (1, {"loss": 1.0}, False),
        (3, {}, True),
    ]
    assert outcomes[-1].kind is Kind.MEASURED, "a NaN on the way does not spoil the measurement"


@pytest.mark.parametrize("steps", [(1, 1), (2, 1), (0,)])
def test_steps_that_do_not_grow_are_an_error_of_the_evaluator(steps: tuple[int, ...]) -> None:
    ending = heard(yields(*(Report(s, {"loss": 1.0}) for s in steps)))[-1]
    assert ending.kind is Kind.CRASHED
    assert "steps must grow" in ending.reason


def test_nothing_counts_after_the_measurement() -> None:
    closed: list[bool] = []

    def chatty(params: Params, context: Context) -> Iterator[Any]:
        try:
            yield Measurement({"y": 1.0, "z": 1.0})
            yield Measurement({"y": 2.0, "z": 2.0})
        finally:
            closed.append(True)
            raise RuntimeError("while cleaning up")

    (ending,) = heard(chatty)
    assert ending.values == {"y": 1.0, "z": 1.0}
    assert closed == [True]


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (ExperimentFailed("melted\nat 300 K"), Kind.FAILED, "melted at 300 K"),
        (InvalidValue("no number"), Kind.INVALID, "no number"),
        (KeyError("k"), Kind.CRASHED, "KeyError: 'k' (test_worker.py:"),
        (SystemExit(3), Kind.CRASHED, "SystemExit: 3 (test_worker.py:"),
        (MemoryError(), Kind.CRASHED, "out of memory: MemoryError:"),
        (RuntimeError("CUDA out of memory. Tried"), Kind.CRASHED, "out of memory: RuntimeError"),
        (TimeoutError("after 3 s"), Kind.CRASHED, "timeout: TimeoutError: after 3 s"),
    ],
)
def test_what_is_raised_ends_the_attempt(error: BaseException, kind: Kind, reason: str) -> None:
    def breaks(params: Params, context: Context) -> Iterator[Report]:
        yield Report(1, {"loss": 1.0})
        raise error

    outcomes = heard(breaks)
    assert [o.kind for o in outcomes] == [Kind.REPORTED, kind]
    assert outcomes[-1].reason.startswith(reason)


def test_a_reason_is_one_line_of_moderate_length() -> None:
    def breaks(params: Params, context: Context) -> None:
        raise ValueError("wrong\n\x1b[31m" * 100_000)

    (ending,) = heard(breaks)
    assert len(ending.reason) <= 500 and ending.reason.isprintable()
    assert "test_worker.py:" in ending.reason


def test_returning_early_is_allowed_only_when_asked() -> None:
    assert heard(yields(), should_stop=lambda: True)[-1].kind is Kind.STOPPED
    ending = heard(yields(), should_stop=lambda: False)[-1]
    assert (ending.kind, ending.reason) == (Kind.INVALID, "the evaluator returned nothing")


def test_overtime_asks_to_stop_but_a_late_value_is_kept() -> None:
    clock = VirtualClock()
    asked: list[bool] = []

    def slow(params: Params, context: Context) -> Iterator[Measurement]:
        asked.append(context.should_stop())
        clock.advance(10.0)
        asked.append(context.should_stop())
        if params["obeys"]:
            return
        yield Measurement({"y": 1.0, "z": 1.0})

    obedient = Assignment(0, 1, {"obeys": True}, timeout_s=5.0)
    (ending,) = heard(slow, clock=clock, assignment=obedient)
    assert (ending.kind, ending.reason) == (Kind.CRASHED, "timeout after 5 s: stopped as asked")
    assert asked == [False, True]
    stubborn = Assignment(1, 1, {"obeys": False}, timeout_s=5.0)
    (ending,) = heard(slow, clock=clock, assignment=stubborn)
    assert ending.kind is Kind.MEASURED


def test_the_work_folder_is_there_when_asked_for_and_kept_if_used(folder: RunFolder) -> None:
    def looks(params: Params, context: Context) -> float:
        assert context.workdir is not None and context.workdir.is_dir()
        if params.get("keep"):
            (context.workdir / "spectrum.txt").write_text("1 2 3")
        return 1.0

    for trial, keep in ((1, False), (2, True)):
        given = Assignment(trial, 1, {"keep": keep})
        (ending,) = heard(looks, targets=(Target("y"),), folder=folder, assignment=given)
        assert ending.kind is Kind.MEASURED
    assert not folder.work(1, 1).exists()
    assert (folder.work(2, 1) / "spectrum.txt").exists()


def test_an_attempt_that_is_over_is_not_run_again(folder: RunFolder) -> None:
    calls: list[int] = []

    def counts(params: Params, context: Context) -> dict[str, float]:
        calls.append(context.attempt)
        return {"y": 1.0, "z": float(len(calls))}

    first = heard(counts, folder=folder)
    assert heard(counts, folder=folder) == first
    assert calls == [2]


def test_a_void_attempt_is_not_run(folder: RunFolder) -> None:
    Outbox(folder.outbox).locks.void(GIVEN.trial, GIVEN.attempt)
    (ending,) = heard(yields(1.0), folder=folder)
    assert ending.kind is Kind.CRASHED and "void" in ending.reason
    assert Outbox(folder.outbox).sweep() == []


def test_a_result_that_the_disk_refuses_is_still_reported(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    failpoint.arm("outbox.before_write:1:raise")
    (ending,) = heard(yields({"y": 1.0, "z": 1.0}), folder=folder)
    assert ending.kind is Kind.MEASURED
    assert "no outbox" in capsys.readouterr().err


def test_a_run_folder_that_is_gone_is_a_crash_and_nothing_is_run(folder: RunFolder) -> None:
    folder.outbox.rmdir()
    (ending,) = heard(lambda p, c: pytest.fail("must not run"), folder=folder)
    assert ending.kind is Kind.CRASHED
    assert "could not begin" in ending.reason


def test_the_lock_is_held_while_it_runs_and_let_go_when_it_is_dropped(folder: RunFolder) -> None:
    outcomes = attempt(Says(yields(Report(1, {"a": 1.0}), 1.0)), GIVEN, TARGETS, folder)
    next(outcomes)
    assert Outbox(folder.outbox).alive() == [(4, 2)]
    outcomes.close()  # type: ignore[attr-defined]
    assert Outbox(folder.outbox).alive() == []


def test_a_factory_is_called_once_and_again_after_a_failure() -> None:
    calls: list[int] = []

    def factory() -> Says:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no licence")
        return Says(yields({"y": 1.0, "z": 1.0}), costly=True)

    made = MadeOnce(factory)
    assert not made.costly
    endings = [next(attempt(made, GIVEN, TARGETS, None)) for _ in range(3)]
    assert [e.kind for e in endings] == [Kind.CRASHED, Kind.MEASURED, Kind.MEASURED]
    assert "no licence" in endings[0].reason
    assert len(calls) == 2 and made.costly
    assert MadeOnce(factory, costly=True).costly


@given(
    st.dictionaries(
        st.text(),
        st.one_of(st.text(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
    ),
    st.one_of(st.none(), st.text()),
)
def test_assignments_survive_the_trip(params: dict[str, Any], candidate: str | None) -> None:
    given = Assignment(2**40, 3, params, candidate, 2**63, 1.5)
    back = assignment_from_json(assignment_to_json(given))
    assert back == given
    assert [type(v) for v in back.params.values()] == [type(v) for v in params.values()]
