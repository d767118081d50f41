"""Killed anywhere and taken up again, a run is the run that was never killed (promises R2, R5, R6)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matscout import failpoint
from matscout.clock import VirtualClock
from matscout.drive.policy import Policy
from matscout.drive.recommend import person_takes
from matscout.drive.run import RunSpec, create, load, reopen, sit
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.fleet.outbox import Outbox
from matscout.journal import Journal
from matscout.outcome import Kind, Outcome
from matscout.parameter import Float
from matscout.pool import Pool
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import State, Target

SPEC = RunSpec(
    name="r",
    kind="sweep",
    space=Space((Float("x", 0, 1),)),
    targets=(Target("y"),),
    policy=Policy(trials=55, slots=4),
    seed=7,
    config={"evaluator": {"type": "function"}},
)


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def disarm() -> Iterator[None]:
    yield
    failpoint.arm("")


@pytest.fixture
def sitting(scripted: Any, counting: Any) -> Callable[..., str]:
    def go(folder: RunFolder, **parts: Any) -> str:
        journal, history, spec = reopen(folder, VirtualClock())
        parts.setdefault("proposer", counting())
        parts.setdefault("start_fleet", lambda: scripted(slots=4))
        try:
            return sit(folder, journal, history, spec, clock=VirtualClock(), **parts)
        except OSError as error:
            raise Killed from error
        finally:
            journal.close()

    return go


def made(root: Path, spec: RunSpec = SPEC) -> RunFolder:
    folder = RunFolder.of(spec.name, root)
    create(folder, spec)
    return folder


def suggestions(folder: RunFolder) -> list[str]:
    with Journal.read_only(folder) as journal:
        return [
            json.dumps([e.trial, e.body["params"], e.body["candidate"]])
            for e in journal.read()
            if e.kind is EventKind.ASKED
        ]


def killed_and_resumed(folder: RunFolder, sitting: Callable[..., str], place: str) -> str:
    failpoint.arm(f"{place}:raise")
    with pytest.raises(Killed):
        sitting(folder)
    failpoint.arm("")
    return sitting(folder)


@pytest.mark.parametrize("place", ["loop.before_asked", "loop.after_asked", "loop.before_submit"])
def test_killed_at_each_of_fifty_asks(
    tmp_path: Path, sitting: Callable[..., str], place: str
) -> None:
    unbroken = made(tmp_path / "unbroken")
    sitting(unbroken)
    expected = suggestions(unbroken)
    assert len(set(expected)) == 55
    # Every ask where nothing is journalled yet; a sample where the suggestion is already read back.
    for ask in range(1, 51, 1 if place == "loop.before_asked" else 9):
        folder = made(tmp_path / f"killed-{ask}")
        assert killed_and_resumed(folder, sitting, f"{place}:{ask}") == "budget of 55 trials used"
        assert suggestions(folder) == expected


AHEAD = replace(SPEC, policy=Policy(trials=40, slots=4, ahead=2))


@pytest.mark.parametrize(
    "place",
    ["loop.before_asked", "loop.after_queued", "loop.after_asked", "loop.before_submit",
     "journal.after_commit", "loop.before_acknowledge"],
)  # fmt: skip
def test_killed_with_a_queue(tmp_path: Path, sitting: Callable[..., str], place: str) -> None:
    """A queue survives as it was put together, whether or not what came before it had been begun."""
    unbroken = made(tmp_path / "unbroken", AHEAD)
    sitting(unbroken)
    expected = suggestions(unbroken)
    assert len(set(expected)) == 40
    # The first dozen passes take the queue through all its states.
    for nth in [*range(1, 13, 2), 20]:
        folder = made(tmp_path / f"killed-{nth}", AHEAD)
        assert killed_and_resumed(folder, sitting, f"{place}:{nth}") == "budget of 40 trials used"
        assert suggestions(folder) == expected
        assert len(load(folder)[0].completed) == 40


def test_a_result_that_waited_does_not_get_ahead_of_an_ask_that_is_due(
    tmp_path: Path, sitting: Callable[..., str], scripted: Any
) -> None:
    """Killed before the ask that follows an outcome, while the next outcome comes in: the ask is made
    up first, without it, as the unbroken run made it."""
    unbroken = made(tmp_path / "unbroken", AHEAD)
    sitting(unbroken)
    expected = suggestions(unbroken)
    with Journal.read_only(unbroken) as journal:
        ended = [e.trial for e in journal.read() if e.kind is EventKind.MEASURED]
    for ask in range(8, 30, 3):
        folder = made(tmp_path / f"killed-{ask}", AHEAD)
        failpoint.arm(f"loop.before_asked:{ask}:raise")
        with pytest.raises(Killed):
            sitting(folder)
        failpoint.arm("")
        history, _ = load(folder)
        trial = ended[len(history.finished)]
        y = sum(float(v) for v in history.trials[trial].params.values())
        done = Outcome(trial, history.in_flight[trial], Kind.MEASURED, values={"y": y}, cost_s=1.0)
        Outbox(folder.outbox).write(done)
        sitting(folder)
        assert suggestions(folder) == expected


def test_killed_at_every_ask_in_turn(tmp_path: Path, sitting: Callable[..., str]) -> None:
    """One run, killed at its 2nd ask, resumed, killed at the next 2nd ask, and so on to the end."""
    unbroken = made(tmp_path / "unbroken")
    sitting(unbroken)
    folder = made(tmp_path / "killed")
    for _ in range(100):
        failpoint.arm("loop.before_asked:2:raise")
        try:
            sitting(folder)
            break
        except Killed:
            continue
    assert suggestions(folder) == suggestions(unbroken)
    with Journal.read_only(folder) as journal:
        assert sum(e.kind is EventKind.OPENED for e in journal.read()) > 20


@pytest.mark.parametrize("ask", [1, 9, 30])
def test_a_result_in_the_outbox_is_taken_in_once(
    tmp_path: Path, sitting: Callable[..., str], scripted: Any, ask: int
) -> None:
    """Killed between outbox and journal: the finished experiment is recovered, not repeated."""
    unbroken = made(tmp_path / "unbroken")
    sitting(unbroken)
    folder = made(tmp_path / "killed")
    failpoint.arm(f"loop.after_asked:{3 + ask}:raise")
    with pytest.raises(Killed):
        sitting(folder)
    failpoint.arm("")
    history, _ = load(folder)
    trial, attempt = next(iter(history.in_flight.items()))
    y = sum(float(v) for v in history.trials[trial].params.values())
    done = Outcome(trial, attempt, Kind.MEASURED, values={"y": y}, cost_s=604800.0)
    Outbox(folder.outbox).write(done)

    submitted: list[int] = []

    class Acknowledging(scripted):  # type: ignore[misc]
        def submit(self, assignment: Any) -> None:
            submitted.append(assignment.trial)
            super().submit(assignment)

        def acknowledge(self, outcome: Outcome) -> None:
            Outbox(folder.outbox).acknowledge(outcome)

    sitting(folder, start_fleet=lambda: Acknowledging(slots=4))
    history, _ = load(folder)
    assert trial not in submitted
    assert history.trials[trial].cost_s == 604800.0
    assert history.trials[trial].replicates == () and len(history.completed) == 55
    assert Outbox(folder.outbox).sweep() == []


def broken_off(
    tmp_path: Path, sitting: Callable[..., str], scripted: Any, *, costly: bool
) -> tuple[RunFolder, set[int]]:
    """A run whose driver died, and the trials that were under way."""
    folder = made(tmp_path, replace(SPEC, policy=Policy(trials=8, slots=2, costly=costly)))
    failpoint.arm("loop.after_asked:4:raise")
    with pytest.raises(Killed):
        sitting(folder, start_fleet=lambda: scripted(slots=2))
    failpoint.arm("")
    lost = set(load(folder)[0].in_flight)
    assert lost
    return folder, lost


def test_a_costly_experiment_in_flight_waits_for_a_person(
    tmp_path: Path, sitting: Callable[..., str], scripted: Any
) -> None:
    folder, lost = broken_off(tmp_path, sitting, scripted, costly=True)
    sitting(folder, start_fleet=lambda: scripted(slots=2))
    history, _ = load(folder)
    assert {t.id for t in history.trials if t.state is State.NEEDS_ATTENTION} == lost
    assert all(t.attempts == 1 for t in history.trials)


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("found", [True, False])
def test_what_a_person_said_of_a_lost_trial_stays(
    tmp_path: Path, sitting: Callable[..., str], scripted: Any, costly: bool, found: bool
) -> None:
    folder, in_flight = broken_off(tmp_path, sitting, scripted, costly=costly)
    lost = min(in_flight)
    if found:
        failed = Outcome(lost, 1, Kind.FAILED, reason="no phase formed", cost_s=9.0)
        Outbox(folder.outbox).write(failed)
    with Journal.open(folder) as journal:
        journal.append(
            person_takes(lost, 2),
            Event(EventKind.ABANDONED, lost, 2, {"reason": "the furnace broke"}),
        )
    before = load(folder)[0].trials[lost]
    sitting(folder, start_fleet=lambda: scripted(slots=2))
    history, _ = load(folder)
    assert history.trials[lost] == before and before.state is State.ABANDONED
    assert not history.in_flight


def test_a_worker_that_outlived_its_driver_is_waited_for(
    tmp_path: Path, sitting: Callable[..., str], scripted: Any
) -> None:
    from matscout.drive.interrupt import Interrupt
    from matscout.drive.loop import Observer
    from matscout.errors import RunFailed

    folder = made(tmp_path)
    failpoint.arm("loop.before_submit:1:raise")
    with pytest.raises(Killed):
        sitting(folder)
    failpoint.arm("")
    interrupt = Interrupt()

    class Impatient(Observer):
        def note(self, text: str) -> None:
            assert text.startswith("waiting for trial 0")
            interrupt.press()

    with Outbox(folder.outbox).running(0, 1), pytest.raises(RunFailed, match="still running"):
        sitting(folder, observer=Impatient(), interrupt=interrupt)
    sitting(folder)
    assert len(load(folder)[0].completed) == 55


def test_a_draft_left_by_a_process_of_our_number_is_in_nobodys_way(tmp_path: Path) -> None:
    """In a container every driver may have the same pid."""
    (tmp_path / f".r.draft-{os.getpid()}").mkdir()
    folder = made(tmp_path)
    assert load(folder)[1].name == "r" and folder.root.stat().st_mode & 0o777 == 0o700


def test_a_run_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = RunFolder.of("r", tmp_path)
    failpoint.arm("journal.before_commit:1:raise")
    with pytest.raises(Exception, match="failpoint"):
        create(folder, SPEC)
    assert list(tmp_path.iterdir()) == []
    failpoint.arm("")
    create(folder, SPEC)
    with pytest.raises(InputError, match="exists already"):
        create(folder, SPEC)
    assert [p.name for p in tmp_path.iterdir()] == ["r"]
    assert folder.root.stat().st_mode & 0o077 == 0


def test_a_pool_travels_with_the_run_and_is_checked(tmp_path: Path) -> None:
    pool = Pool.from_rows(
        [{"id": "b", "x": 1.0, "n": 1, "s": "é"}, {"id": "a", "x": 2, "n": 2, "s": "1"}]
    )
    folder = made(tmp_path, replace(SPEC, space=Space(pool=pool)))
    _, spec = load(folder)
    assert spec.space.pool == pool
    folder.pool.write_text(folder.pool.read_text().replace("2", "3"))
    with pytest.raises(InputError, match="is not the pool that this run was made with"):
        load(folder)


def test_what_a_run_is_survives(tmp_path: Path) -> None:
    folder = made(tmp_path)
    _, spec = load(folder)
    assert spec == SPEC
    manifest = json.loads(folder.manifest.read_text())
    assert manifest["seed"] == 7 and "python" in manifest["versions"]
