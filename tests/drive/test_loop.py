from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from matscout import failpoint
from matscout.clock import VirtualClock
from matscout.drive.interrupt import Interrupt
from matscout.drive.loop import Loop, Observer
from matscout.drive.policy import Policy
from matscout.drive.prune import SuccessiveHalving
from matscout.errors import RunFailed
from matscout.evaluate.noop import Noop
from matscout.event import Event, EventKind
from matscout.fleet.simulated import Faults, SimulatedFleet
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import State, Target

MakeLoop = Callable[..., Loop]


@pytest.fixture(autouse=True)
def disarm() -> Iterator[None]:
    yield
    failpoint.arm("")


def journalled(folder: RunFolder) -> list[Event]:
    with Journal.read_only(folder) as journal:
        return list(journal.read())


def ended(kind: Kind, reason: str = "r") -> Callable[[Assignment], Outcome]:
    return lambda a: Outcome(a.trial, a.attempt, kind, reason=reason)


def reports(a: Assignment, values: list[float]) -> list[Outcome]:
    return [
        Outcome(a.trial, a.attempt, Kind.REPORTED, step=i + 1, values={"y": v})
        for i, v in enumerate(values)
    ]


def test_a_whole_run(make_loop: MakeLoop, folder: RunFolder) -> None:
    loop = make_loop()
    assert loop.run() == "budget of 20 trials used"
    kinds = Counter(e.kind for e in journalled(folder))
    assert kinds == {
        EventKind.CREATED: 1, EventKind.ASKED: 20, EventKind.DISPATCHED: 20,
        EventKind.MEASURED: 20, EventKind.STOPPED: 1,
    }  # fmt: skip
    assert len(loop.fleet.acknowledged) == 20  # type: ignore[attr-defined]


def test_a_suggestion_is_journalled_before_it_is_dispatched_and_a_result_before_it_is_acknowledged(
    make_loop: MakeLoop, folder: RunFolder, scripted: Any
) -> None:
    class Watching(scripted):  # type: ignore[misc]
        def submit(self, a: Assignment) -> None:
            assert any(
                e.kind is EventKind.DISPATCHED and e.trial == a.trial for e in journalled(folder)
            )
            super().submit(a)

        def acknowledge(self, o: Outcome) -> None:
            assert any(
                e.kind is EventKind.MEASURED and e.trial == o.trial for e in journalled(folder)
            )
            super().acknowledge(o)

    make_loop(fleet=Watching(), policy=Policy(trials=6, slots=3)).run()


def test_batches_are_asked_whole(make_loop: MakeLoop) -> None:
    loop = make_loop(policy=Policy(trials=10, slots=3, batch=3))
    loop.run()
    assert len(loop.history.trials) == 10


def test_the_space_may_run_out(make_loop: MakeLoop) -> None:
    class Three:
        name = "three"

        def propose(self, space: Any, history: History, n: int, *, seed: int) -> list[Any]:
            from matscout.trial import Proposal

            return [Proposal({"x": 0.1})] if len(history.trials) < 3 else []

    loop = make_loop(proposer=Three())
    assert loop.run() == "the space is exhausted"
    assert len(loop.history.completed) == 3


def test_crashes_are_retried_then_quarantined(make_loop: MakeLoop, scripted: Any) -> None:
    def answer(a: Assignment) -> Outcome:
        if a.trial == 1 or (a.trial == 2 and a.attempt < 3):
            return Outcome(a.trial, a.attempt, Kind.CRASHED, reason="SIGSEGV")
        return Outcome(a.trial, a.attempt, Kind.MEASURED, values={"y": 1.0})

    loop = make_loop(fleet=scripted(answer=answer), policy=Policy(trials=6, slots=3))
    loop.run()
    assert loop.history.trials[1].state is State.QUARANTINED
    assert "after 3 attempts" in loop.history.trials[1].reason
    assert loop.history.trials[2].state is State.COMPLETE and loop.history.trials[2].attempts == 3
    assert loop.history.count(State.COMPLETE) == 5


def test_a_costly_experiment_is_never_repeated_by_itself(
    make_loop: MakeLoop, scripted: Any
) -> None:
    def answer(a: Assignment) -> Outcome:
        kind = Kind.CRASHED if a.trial == 1 else Kind.MEASURED
        return Outcome(a.trial, a.attempt, kind, values={"y": 1.0}, reason="power cut")

    fleet = scripted(answer=answer)
    loop = make_loop(fleet=fleet, policy=Policy(trials=6, slots=3, costly=True))
    loop.run()
    assert loop.history.trials[1].state is State.NEEDS_ATTENTION
    assert max(Counter(a.trial for a in fleet.submitted).values()) == 1
    assert loop.history.count(State.COMPLETE) == 5


def test_invalid_and_failed_are_kept_with_their_reason(make_loop: MakeLoop, scripted: Any) -> None:
    def answer(a: Assignment) -> Outcome:
        kind = [Kind.MEASURED, Kind.INVALID, Kind.FAILED][a.trial % 3]
        return Outcome(a.trial, a.attempt, kind, values={"y": 1.0}, reason="isolated atom")

    loop = make_loop(fleet=scripted(answer=answer), policy=Policy(trials=9, slots=2))
    loop.run()
    assert [loop.history.count(s) for s in (State.COMPLETE, State.INVALID, State.FAILED)] == [
        3,
        3,
        3,
    ]
    assert loop.history.trials[1].reason == "isolated atom"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Kind.INVALID, "the first 3 trials gave no valid value: y is text"),
        (Kind.CRASHED, "every trial so far crashed"),
    ],
)
def test_a_run_that_never_works_is_given_up(
    make_loop: MakeLoop, scripted: Any, kind: Kind, message: str
) -> None:
    with pytest.raises(RunFailed, match=message):
        make_loop(fleet=scripted(answer=ended(kind, "y is text"))).run()


def test_pruning_is_recorded_with_its_reports(make_loop: MakeLoop, scripted: Any) -> None:
    class Stoppable(scripted):  # type: ignore[misc]
        """Reports y = trial at steps 1 to 3 and stops when it is told to."""

        def poll(self, timeout_s: float) -> list[Outcome]:
            if not self.running:
                return []
            a = self.running[0]
            step = self.steps = getattr(self, "steps", 0) + 1
            if a.trial in self.cancelled or step > 3:
                self.running.pop(0)
                self.steps = 0
                kind = Kind.STOPPED if a.trial in self.cancelled else Kind.MEASURED
                return [Outcome(a.trial, a.attempt, kind, values={"y": float(a.trial)})]
            return [
                Outcome(a.trial, a.attempt, Kind.REPORTED, step=step, values={"y": float(a.trial)})
            ]

    loop = make_loop(
        fleet=Stoppable(slots=1),
        policy=Policy(trials=5, slots=1),
        pruner=SuccessiveHalving(min_step=1, factor=2),
    )
    loop.run()
    states = [t.state for t in loop.history.trials]
    assert states == [State.COMPLETE] + [State.PRUNED] * 4
    assert [len(t.reports) for t in loop.history.trials] == [3, 1, 1, 1, 1]
    assert loop.history.trials[1].reason == "place 2 of 2 at step 1"
    assert loop.history.trials[1].values == {}


@pytest.mark.parametrize("kind", [Kind.MEASURED, Kind.FAILED, Kind.INVALID])
def test_an_ending_brings_the_reports_that_nobody_heard(
    make_loop: MakeLoop, scripted: Any, kind: Kind
) -> None:
    def answer(assignment: Assignment) -> list[Outcome]:
        told = [{"step": step, "values": {"y": float(step)}} for step in (1, 2, 3)]
        trial, attempt = assignment.trial, assignment.attempt
        heard = Outcome(trial, attempt, Kind.REPORTED, step=1, values={"y": 1.0})
        values = {"y": 4.0} if kind is Kind.MEASURED else {}
        return [heard, Outcome(trial, attempt, kind, values=values, reports=tuple(told))]

    fleet = scripted(slots=1, answer=answer)
    loop = make_loop(fleet=fleet, policy=Policy(trials=1, slots=1))
    loop.run()
    assert [r.step for r in loop.history.trials[0].reports] == [1, 2, 3]
    assert all(o.ends_attempt for o in fleet.acknowledged), "a report has nothing to forget"


# -- leases (promises R3, R4) ----------------------------------------------------------------------


class Silent:
    """Trial 0's first attempt says nothing until its successor has answered; time passes meanwhile."""

    def __init__(self, scripted: Any, clock: VirtualClock, late: float) -> None:
        self.inner = scripted(slots=2)
        self.clock, self.late, self.told = clock, late, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def poll(self, timeout_s: float) -> list[Outcome]:
        self.clock.advance(1.0)
        held = [a for a in self.inner.running if (a.trial, a.attempt) == (0, 1)]
        if held and 0 in self.inner.cancelled and not self.told:
            self.told = True
            self.inner.running.remove(held[0])
            return [Outcome(0, 1, Kind.MEASURED, values={"y": self.late})]
        free = [a for a in self.inner.running if a not in held]
        if not free:
            return []
        self.inner.running.remove(free[0])
        return [Outcome(free[0].trial, free[0].attempt, Kind.MEASURED, values={"y": 1.0})]


def test_a_lease_expires_and_the_late_value_still_counts(
    make_loop: MakeLoop, scripted: Any
) -> None:
    clock = VirtualClock()
    fleet = Silent(scripted, clock, late=5.0)
    loop = make_loop(fleet=fleet, clock=clock, policy=Policy(trials=9, slots=2, lease_s=3.0))
    loop.run()
    trial = loop.history.trials[0]
    assert trial.values == {"y": 5.0} and trial.answered[0] == 1
    kinds = [e.kind for e in loop.journal.read() if e.trial == 0]
    assert kinds[:3] == [EventKind.ASKED, EventKind.DISPATCHED, EventKind.EXPIRED]


class Hanging:
    """Reports once, does not stop when it is asked to, and is killed long after its lease ran out."""

    def __init__(self, scripted: Any, clock: VirtualClock) -> None:
        self.inner, self.clock, self.polls = scripted(slots=1), clock, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def poll(self, timeout_s: float) -> list[Outcome]:
        self.clock.advance(1.0)
        self.polls += 1
        if self.polls == 1:
            return [Outcome(0, 1, Kind.REPORTED, step=1, values={"y": 9.0})]
        if self.polls == 12:
            self.inner.running.clear()
            return [Outcome(0, 1, Kind.STOPPED, reason="killed: it did not stop")]
        return []


def test_what_the_pruner_stopped_stays_stopped_though_it_hangs(
    make_loop: MakeLoop, scripted: Any
) -> None:
    class Never:
        def verdict(self, history: History, trial: Any) -> str:
            return "worse than the median"

    clock = VirtualClock()
    fleet = Hanging(scripted, clock)
    policy = Policy(trials=1, slots=1, lease_s=5.0)
    loop = make_loop(fleet=fleet, clock=clock, policy=policy, pruner=Never())
    loop.run()
    (trial,) = loop.history.trials
    assert (trial.state, trial.reason) == (State.PRUNED, "worse than the median")
    kinds = [e.kind for e in loop.journal.read() if e.trial == 0]
    assert kinds[2:] == [EventKind.REPORTED, EventKind.PRUNED] and len(fleet.submitted) == 1


def test_a_clock_that_jumps_is_not_asked(make_loop: MakeLoop, scripted: Any) -> None:
    class Jumping(VirtualClock):
        def wall(self) -> float:
            return 1e9 * (-1) ** int(self.now_s)

    loop = make_loop(
        clock=Jumping(), fleet=scripted(), policy=Policy(trials=9, slots=3, lease_s=5.0)
    )
    loop.run()
    assert loop.history.count(State.COMPLETE) == 9


# -- interrupts (promise R16) ----------------------------------------------------------------------


class PressAfter(Observer):
    def __init__(self, interrupt: Interrupt, count: int, times: int = 1) -> None:
        self.interrupt, self.left, self.times = interrupt, count, times

    def event(self, event: Event, history: History) -> None:
        if event.kind is EventKind.MEASURED:
            self.left -= 1
            if self.left == 0:
                for _ in range(self.times):
                    self.interrupt.press()


@pytest.mark.parametrize("on_interrupt", ["cancel", "wait"])
def test_an_interrupt_keeps_what_comes_back(
    make_loop: MakeLoop, scripted: Any, on_interrupt: str
) -> None:
    interrupt = Interrupt()
    fleet = scripted()
    loop = make_loop(
        fleet=fleet,
        interrupt=interrupt,
        observer=PressAfter(interrupt, 4),
        policy=Policy(trials=20, slots=3, on_interrupt=on_interrupt),  # type: ignore[arg-type]
    )
    assert loop.run() == "interrupted"
    assert bool(fleet.cancelled) == (on_interrupt == "cancel")
    assert len(fleet.submitted) == len(loop.history.completed)
    assert not loop.history.in_flight and loop.history.stopped == "interrupted"


def test_an_interrupt_does_not_wait_for_what_hangs(make_loop: MakeLoop) -> None:
    class PressOnceAtWork(Observer):
        def event(self, event: Event, history: History) -> None:
            if len(history.in_flight) == 2 and not interrupt.level:
                interrupt.press()

    interrupt, clock = Interrupt(), VirtualClock()
    fleet = SimulatedFleet(Noop, (Target("y"),), None, 2, clock, faults=Faults(hang=1.0))
    policy = Policy(trials=4, slots=2, lease_s=100.0, on_interrupt="wait")
    loop = make_loop(
        interrupt=interrupt, clock=clock, fleet=fleet, policy=policy,
        observer=PressOnceAtWork(),
    )  # fmt: skip
    assert loop.run() == "interrupted"
    assert 100.0 <= clock.now_s < 110.0
    assert [t.crashes for t in loop.history.trials] == [1, 1] and not loop.history.in_flight


def test_a_second_interrupt_leaves_at_once_and_the_work_is_taken_up_again(
    make_loop: MakeLoop, folder: RunFolder, scripted: Any
) -> None:
    interrupt = Interrupt()
    loop = make_loop(interrupt=interrupt, observer=PressAfter(interrupt, 4, times=2))
    assert loop.run() == "interrupted"
    open_trials = [t.id for t in loop.history.pending]
    assert open_trials and not loop.history.in_flight
    loop.journal.close()

    history = History()
    journal = Journal.open(folder, history.apply)
    fleet = scripted()
    again = make_loop(journal=journal, history=history, fleet=fleet)
    again.run()
    assert [a.trial for a in fleet.submitted[: len(open_trials)]] == open_trials
    assert all(a.attempt == 2 for a in fleet.submitted[: len(open_trials)])
    assert len(again.history.completed) == 20


# -- the disk (promise R8) -------------------------------------------------------------------------


@pytest.mark.parametrize("nth", range(2, 10))
def test_a_disk_that_refuses_pauses_the_run(make_loop: MakeLoop, scripted: Any, nth: int) -> None:
    notes: list[str] = []

    class Listening(Observer):
        def note(self, text: str) -> None:
            notes.append(text)

    failpoint.arm(f"journal.before_commit:{nth}:raise")
    loop = make_loop(
        observer=Listening(), policy=Policy(trials=6, slots=2), fleet=scripted(slots=2)
    )
    loop.run()
    assert len(loop.history.completed) == 6
    assert any(note.startswith("paused") for note in notes)
    assert [e.seq for e in loop.journal.read()] == list(range(1, loop.history.seq + 1))


# -- conflicts and duplicates (promise R4) ---------------------------------------------------------


def test_the_same_attempt_twice_is_stored_once_and_a_different_value_is_a_conflict(
    make_loop: MakeLoop, scripted: Any
) -> None:
    def answer(a: Assignment) -> list[Outcome]:
        first = Outcome(a.trial, a.attempt, Kind.MEASURED, values={"y": 1.0})
        if a.trial == 0:
            return [first, first]
        if a.trial == 1:
            return [first, replace(first, values={"y": 2.0})]
        return [first]

    loop = make_loop(fleet=scripted(answer=answer), policy=Policy(trials=5, slots=1))
    loop.run()
    kinds = Counter(e.kind for e in loop.journal.read())
    assert kinds[EventKind.MEASURED] == 5 and kinds[EventKind.CONFLICT] == 1
    assert loop.history.trials[1].values == {"y": 1.0}
