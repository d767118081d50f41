"""Trials that workers share: order, cancelling, crashes, and results that outlive their driver."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from matscout import failpoint
from matscout.checkpoint import CheckpointStore
from matscout.clock import VirtualClock
from matscout.errors import RunFailed
from matscout.evaluate.bad_lab import ByParts
from matscout.evaluate.base import Context, Part
from matscout.fleet.divided import Divided, open_trials
from matscout.fleet.inline import Inline
from matscout.fleet.outbox import Outbox
from matscout.fleet.part import DONE, PartResults, job_number, one_part, trial_and_part
from matscout.fleet.process import ProcessFleet
from matscout.fleet.simulated import Faults, SimulatedFleet
from matscout.outcome import NEVER_BEGAN, Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Params, Target

TARGETS = (Target("y"),)
REPORT = {"do": "report", "n": 4}


@dataclass(frozen=True)
class Counted(ByParts):
    """Notes every part that it evaluates; `breaks` is one that crashes, once."""

    ledger: list[tuple[int, int]] = field(default_factory=list)
    breaks: set[int] = field(default_factory=set)

    def evaluate_part(self, params: Params, number: int, context: Context) -> Part | None:
        self.ledger.append((context.trial, number))
        if number in self.breaks:
            self.breaks.remove(number)
            raise RuntimeError("the lamp went out")
        return super().evaluate_part(params, number, context)


class LastFirst(Inline):
    """Works on what was submitted last."""

    def poll(self, timeout_s: float) -> list[Outcome]:
        self._queue.rotate(1)
        return super().poll(timeout_s)


def made(
    folder: RunFolder,
    lab: Counted,
    workers: int = 2,
    slots: int = 2,
    inner: Callable[..., Inline] = Inline,
    verdicts: tuple[int, ...] = (),
) -> Divided:
    jobs = inner(partial(one_part, lambda: lab), (DONE,), folder.parts, slots=workers)
    return Divided(jobs, lambda: lab, TARGETS, folder, slots, verdicts)


def assignment(trial: int, attempt: int = 1, seed: int = 7, **params: Any) -> Assignment:
    return Assignment(trial, attempt, params or REPORT, None, seed)


def drained(fleet: Divided) -> list[Outcome]:
    heard: list[Outcome] = []
    while fleet._open:
        heard += fleet.poll(1.0)
    return heard


def steps(heard: list[Outcome]) -> list[int]:
    return [o.step for o in heard if not o.ends_attempt]


@pytest.mark.parametrize(
    ("workers", "parts", "verdicts", "trials"),
    [
        (1, 5, (), 1), (2, 5, (), 2), (4, 5, (), 2), (8, 50, (), 2), (8, 5, (), 3), (8, 2, (), 5),
        (8, 1, (), 8), (8, 9, (1, 3), 8), (8, 9, (4,), 3), (8, 9, (20,), 2),
    ],
)  # fmt: skip
def test_as_few_open_trials_as_keep_the_workers_busy(
    workers: int, parts: int, verdicts: tuple[int, ...], trials: int
) -> None:
    assert open_trials(workers, ByParts(), {**REPORT, "n": parts}, verdicts) == trials


def test_a_part_waits_for_the_verdict_that_may_spare_it(folder: RunFolder) -> None:
    lab = Counted()
    fleet = made(folder, lab, workers=8, slots=2, verdicts=(1, 3))
    fleet.submit(assignment(0, do="report", n=9))
    assert steps(fleet.poll(1.0)) == [1]
    assert lab.ledger == [(0, 0)]
    fleet.submit(assignment(1, do="report", n=9))  # before the loop has taken the report
    assert len(fleet._open[0].running) == 0 and len(fleet._open[1].running) == 1
    fleet.cancel(1)
    heard = fleet.poll(1.0)
    assert fleet._open[0].running | set(fleet._open[0].done) <= {1, 2}
    heard += drained(fleet)
    assert [o.step for o in heard if o.trial == 0] == [*range(2, 10), 0]
    assert {trial for trial, _ in lab.ledger} == {0}
    assert len(lab.ledger) == 9


def test_a_trial_of_which_no_part_began_has_not_begun(folder: RunFolder) -> None:
    """So a costly one that waited for a worker needs nobody's word when the loop takes it back."""
    lab = Counted()
    fleet = made(folder, lab, workers=1, slots=3)
    for trial in range(3):
        fleet.submit(assignment(trial))
    fleet.poll(1.0)
    assert list(fleet.queued)[-2:] == [1, 2]
    for trial in (0, 1, 2):
        fleet.cancel(trial)
    ends = {o.trial: (o.kind, o.reason) for o in drained(fleet) if o.ends_attempt}
    assert ends[0] == (Kind.STOPPED, "stopped as asked")
    assert ends[1] == ends[2] == (Kind.STOPPED, NEVER_BEGAN)
    assert {trial for trial, _ in lab.ledger} == {0}


def test_parts_of_the_oldest_trial_come_first(folder: RunFolder) -> None:
    lab = Counted()
    fleet = made(folder, lab, workers=3)
    fleet.submit(assignment(5))
    fleet.submit(assignment(3))  # one that is retried, say
    assert [o.kind for o in drained(fleet) if o.ends_attempt] == [Kind.MEASURED] * 2
    began, then = lab.ledger[:3], lab.ledger[3:]
    assert began == [(5, 0), (5, 1), (5, 2)], "3 was not there when these were handed out"
    assert then == [(3, 0), (3, 1), (3, 2), (3, 3), (5, 3)]


def test_reports_come_in_order_whatever_the_order_of_the_parts(folder: RunFolder) -> None:
    lab = Counted()
    fleet = made(folder, lab, workers=4, inner=LastFirst)
    fleet.submit(assignment(0))
    heard = [fleet.poll(1.0) for _ in range(8)]
    assert [number for _, number in lab.ledger] == [3, 2, 1, 0]
    assert [len(said) for said in heard] == [0, 0, 0, 1, 1, 1, 1, 1], "one thing a poll"
    said = [o for one in heard for o in one]
    assert steps(said) == [1, 2, 3, 4] and said[-1].kind is Kind.MEASURED
    assert said[-1].cost_s > 0


def test_a_cancelled_trial_leaves_its_other_parts_alone(folder: RunFolder) -> None:
    lab = Counted()
    fleet = made(folder, lab, workers=2, slots=1)
    fleet.submit(assignment(0))
    assert steps(fleet.poll(1.0)) == [1]
    fleet.cancel(0)
    (ending,) = drained(fleet)
    assert (ending.kind, ending.reason) == (Kind.STOPPED, "stopped as asked")
    assert lab.ledger == [(0, 0)]
    fleet.acknowledge(ending)
    # Taken up again (thawed), it says again what it said, and goes on.
    fleet.submit(assignment(0, attempt=2))
    assert steps(drained(fleet)) == [1, 2, 3, 4]
    assert lab.ledger == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_parts_that_were_done_ahead_say_nothing_once_the_trial_is_cancelled(
    folder: RunFolder,
) -> None:
    fleet = made(folder, Counted(), workers=4, slots=1, inner=LastFirst)
    fleet.submit(assignment(0))
    assert [len(fleet.poll(1.0)) for _ in range(4)] == [0, 0, 0, 1]
    fleet.cancel(0)
    assert [o.kind for o in drained(fleet)] == [Kind.STOPPED]


def test_a_trial_that_has_said_its_last_report_has_its_value(folder: RunFolder) -> None:
    fleet = made(folder, Counted(), slots=1)
    fleet.submit(assignment(0))
    heard: list[Outcome] = []
    while steps(heard)[-1:] != [4]:
        heard += fleet.poll(1.0)
    # Should the driver die with a verdict on the last report, the value is there.
    (waiting,) = Outbox(folder.outbox).sweep()
    assert waiting.kind is Kind.MEASURED and [r["step"] for r in waiting.reports] == [1, 2, 3, 4]
    fleet.cancel(0)
    assert [o.kind for o in drained(fleet)] == [Kind.MEASURED]


def test_a_crash_ends_the_attempt_and_no_part_is_repeated(folder: RunFolder) -> None:
    lab = Counted(breaks={2})
    fleet = made(folder, lab, workers=1, slots=1)
    fleet.submit(assignment(0))
    *reports, ending = drained(fleet)
    assert steps(reports) == [1, 2] and ending.kind is Kind.CRASHED
    assert ending.reason.startswith("RuntimeError: the lamp went out (test_divided.py:")
    assert ending.reason.endswith(" (part 2)")
    fleet.acknowledge(ending)
    fleet.submit(assignment(0, attempt=2))
    heard = drained(fleet)
    assert steps(heard) == [1, 2, 3, 4] and heard[-1].kind is Kind.MEASURED
    assert [number for _, number in lab.ledger] == [0, 1, 2, 2, 3]


def test_results_are_kept_until_the_measurement_is_acknowledged(folder: RunFolder) -> None:
    fleet = made(folder, Counted(), slots=1)
    kept = folder.parts.checkpoints(job_number(12, 0)).parent
    fleet.submit(assignment(12))
    heard = drained(fleet)
    assert len(list(kept.iterdir())) == 4
    fleet.acknowledge(heard[0])
    assert len(list(kept.iterdir())) == 4, "a report settles nothing"
    fleet.acknowledge(heard[-1])
    assert not list(kept.iterdir()) and not list(folder.outbox.iterdir())
    assert not list(folder.parts.outbox.iterdir())


def test_what_belongs_to_other_params_is_never_used(folder: RunFolder) -> None:
    lab = Counted(breaks={2})
    fleet = made(folder, lab, workers=1, slots=1)
    fleet.submit(assignment(0))
    assert drained(fleet)[-1].kind is Kind.CRASHED
    fleet.submit(assignment(0, attempt=2, seed=8))
    (ending,) = drained(fleet)
    assert ending.kind is Kind.CRASHED and "belongs to other data, params or" in ending.reason
    assert [number for _, number in lab.ledger] == [0, 1, 2]


def test_a_broken_result_is_made_again(folder: RunFolder) -> None:
    lab = Counted(breaks={2})
    fleet = made(folder, lab, workers=1, slots=1)
    fleet.submit(assignment(0))
    drained(fleet)
    (state,) = folder.parts.checkpoints(job_number(0, 1)).glob("*/state.json")
    state.write_text(state.read_text().replace("7 1", "7 9"))
    fleet.submit(assignment(0, attempt=2))
    assert drained(fleet)[-1].kind is Kind.MEASURED
    assert [number for _, number in lab.ledger] == [0, 1, 2, 1, 2, 3]


@pytest.mark.parametrize(
    ("workers", "limit_s", "said", "cost_s"),
    [(1, 2.5, "timeout after 2.5 s: stopped as asked", 3.0), (2, 1.5, "timeout after 1.5 s", 2.0)],
)
def test_the_time_of_an_attempt_is_that_of_all_its_parts(
    folder: RunFolder, workers: int, limit_s: float, said: str, cost_s: float
) -> None:
    lab = Counted()
    factory = partial(one_part, lambda: lab)
    jobs = SimulatedFleet(
        factory, (DONE,), folder.parts, workers, VirtualClock(), duration=lambda a, r: 1.0
    )
    fleet = Divided(jobs, lambda: lab, TARGETS, folder, 1)
    fleet.submit(replace(assignment(0), timeout_s=limit_s))
    *reports, ending = drained(fleet)
    assert steps(reports) == [1, 2]
    assert (ending.kind, ending.reason, ending.cost_s) == (Kind.CRASHED, said, cost_s)
    fleet.submit(replace(assignment(0, attempt=2), timeout_s=limit_s))
    assert drained(fleet)[-1].kind is Kind.MEASURED, "what is done is done"


@pytest.mark.parametrize(
    "place",
    [
        "outbox.before_write:3",  # of a part: its result is there
        "outbox.after_rename:3",
        "worker.before_report:3",
        "divided.part_heard:3",
        "divided.before_outbox:1",
        "outbox.before_rename:5",  # of the trial
        "outbox.after_rename:5",
    ],
)
def test_a_driver_that_dies_loses_no_part(folder: RunFolder, place: str) -> None:
    lab = Counted()
    fleet = made(folder, lab, workers=1, slots=1)
    fleet.submit(assignment(0))
    heard: list[Outcome] = []
    failpoint.arm(f"{place}:raise")
    try:
        while not any(o.ends_attempt for o in heard):
            heard += fleet.poll(1.0)
    except OSError:
        pass  # the next driver finds what this one left, as after SIGKILL
    finally:
        failpoint.arm("")
    left = Outbox(folder.outbox).sweep()
    again = made(folder, lab, workers=1, slots=1)
    if not left:
        again.submit(assignment(0, attempt=2))
        left = drained(again)
    assert left[-1].kind is Kind.MEASURED
    assert [number for _, number in lab.ledger] == [0, 1, 2, 3]
    again.acknowledge(left[-1])
    assert not list(folder.parts.outbox.iterdir())
    assert not list((folder.parts.root / "checkpoints").iterdir())


def test_under_faults_every_trial_comes_to_its_value(folder: RunFolder) -> None:
    faults = Faults(crash=0.05, hang=0.05, late=0.1, duplicate=0.1)
    clock, lab = VirtualClock(), Counted()
    factory = partial(one_part, lambda: lab)
    jobs = SimulatedFleet(factory, (DONE,), folder.parts, 6, clock, seed=3, faults=faults)
    fleet = Divided(jobs, lambda: lab, TARGETS, folder, 3)
    todo = [(trial, 1) for trial in range(40)]
    ended: dict[tuple[int, int], list[Outcome]] = {}
    while todo or fleet._open:
        while todo and len(fleet._open) < fleet.slots:
            trial, attempt = todo.pop(0)
            fleet.submit(replace(assignment(trial, attempt), timeout_s=600.0))
            ended[trial, attempt] = []
        for outcome in fleet.poll(1e6):
            said = ended[outcome.trial, outcome.attempt]
            assert not said or not said[-1].ends_attempt, "an attempt ends once"
            said.append(outcome)
            fleet.acknowledge(outcome)
            if outcome.ends_attempt and outcome.kind is not Kind.MEASURED:
                assert outcome.kind is Kind.CRASHED
                todo.insert(0, (outcome.trial, outcome.attempt + 1))
    measured = [said for said in ended.values() if said[-1].kind is Kind.MEASURED]
    assert sorted(said[0].trial for said in measured) == list(range(40))
    assert all(steps(said) == [1, 2, 3, 4] for said in measured)
    assert 40 < len(ended) < 80, "some attempts crashed"


MEETING = """
import os, time
from matscout.evaluate.bad_lab import ByParts

class Meeting(ByParts):
    def evaluate_part(self, params, number, context):
        # A part is done when all parts of its trial have begun, in two processes therefore.
        folder = params["folder"]
        open(os.path.join(folder, f"{number}-{os.getpid()}"), "w").close()
        while len(os.listdir(folder)) < 2 and not context.should_stop():
            time.sleep(0.005)
        return super().evaluate_part(params, number, context)
"""


def test_two_processes_share_one_trial(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meeting_of_parts.py").write_text(MEETING)
    (tmp_path / "met").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    lab = import_module("meeting_of_parts").Meeting
    folder.parts.root.mkdir()
    jobs = ProcessFleet(partial(one_part, lab), (DONE,), folder.parts, slots=2)
    fleet = Divided(jobs, lab, TARGETS, folder, 1)
    try:
        given = assignment(0, do="report", n=2, folder=str(tmp_path / "met"))
        fleet.submit(replace(given, timeout_s=60.0))
        heard = drained(fleet)
    finally:
        fleet.close()
        sys.modules.pop("meeting_of_parts")
    assert steps(heard) == [1, 2] and heard[-1].kind is Kind.MEASURED
    assert len({place.name.partition("-")[2] for place in (tmp_path / "met").iterdir()}) == 2


@pytest.mark.slow
def test_ray_workers_share_one_trial(folder: RunFolder) -> None:
    from matscout.fleet.ray_actors import RayFleet

    jobs = RayFleet(partial(one_part, ByParts), (DONE,), folder.parts, slots=2, cpus=0.25)
    fleet = Divided(jobs, ByParts, TARGETS, folder, 2)
    try:
        fleet.submit(assignment(0))
        fleet.submit(assignment(1, do="raise"))
        heard = drained(fleet)
    finally:
        fleet.close()
    assert steps(heard) == [1, 2, 3, 4]
    kinds = {o.trial: o.kind for o in heard if o.ends_attempt}
    assert kinds == {0: Kind.MEASURED, 1: Kind.CRASHED}


# -- numbers and places -------------------------------------------------------------------------


def test_a_job_is_one_part_of_one_trial(folder: RunFolder) -> None:
    jobs = {job_number(t, p): (t, p) for t in (0, 1, 12, 123_456) for p in (0, 1, 9_999)}
    assert len(jobs) == 12
    assert all(trial_and_part(job) == both for job, both in jobs.items())
    results = PartResults(folder.parts)
    for job in jobs:
        folder.parts.checkpoints(job).mkdir(parents=True)
    results.forget(12)
    left = {job for job in jobs if folder.parts.checkpoints(job).is_dir()}
    assert left == {job for job, (trial, _) in jobs.items() if trial != 12}


def test_a_result_is_read_by_its_fingerprint(folder: RunFolder) -> None:
    evaluator = one_part(ByParts)
    store = CheckpointStore(folder.parts.checkpoints(job_number(4, 2)))
    said = list(evaluator.evaluate(REPORT, Context(job_number(4, 2), 1, 7, checkpoints=store)))
    assert len(said) == 1
    results = PartResults(folder.parts)
    assert results.read(4, 2, "7 2") == Part({})
    assert results.read(4, 3, "7 3") is None
    with pytest.raises(RunFailed, match=r"part 2 of trial 4 .* clear the folder"):
        results.read(4, 2, "8 2")
