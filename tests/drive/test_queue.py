"""Ask-ahead: the queue of what is to be asked for next (promises R5, R6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout import failpoint
from matscout.clock import VirtualClock
from matscout.drive.loop import Loop
from matscout.drive.policy import Policy
from matscout.drive.queue import may_begin, queued, wanted
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.fleet.simulated import SimulatedFleet, one_minute
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Assignment, Kind, Outcome
from matscout.pool import Pool
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Proposal, State, Target

MakeLoop = Callable[..., Loop]
LINE = Space(pool=Pool.from_rows([{"id": f"c{i}", "x": i / 40} for i in range(41)]))


@pytest.fixture(autouse=True)
def disarm() -> Iterator[None]:
    yield
    failpoint.arm("")


def kinds(folder: RunFolder) -> list[EventKind]:
    with Journal.read_only(folder) as journal:
        return [e.kind for e in journal.read()]


@dataclass
class Climber:
    """From a pool: nearest to the best that was measured. Keeps what it said at every ask."""

    name: str = "climber"
    said: list[list[str]] = field(default_factory=list)

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        pool, best = space.pool, history.best()
        assert pool is not None
        asked = {t.candidate for t in history.asked_for}
        centre = 0.0 if best is None else float(best.params["x"])
        free = sorted(
            (c for c in pool.ids if c not in asked),
            key=lambda c: (abs(float(pool.params(c)["x"]) - centre), c),
        )[:n]
        self.said.append(free)
        return [Proposal(pool.params(c), c) for c in free]


# -- the decisions ---------------------------------------------------------------------------------


def with_queue(length: int, begun: int, running: int = 0) -> History:
    """`running` trials are open; of a queue of `begun + length`, `begun` have become trials."""
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})])
    bodies = [{"params": {"x": i}} for i in range(begun + length)]
    for trial in range(running - begun):
        history.apply(Event(EventKind.ASKED, trial, body={"params": {"x": -trial - 1.0}}))
    history.apply(queued(bodies))
    for body in bodies[:begun]:
        history.apply(Event(EventKind.ASKED, len(history.trials), body={**body, "queued": True}))
    return history


@pytest.mark.parametrize(
    ("length", "begun", "trials", "batch", "expected"),
    [
        (0, 0, 20, 1, 3),  # nothing yet
        (3, 0, 20, 1, 0),  # full
        (2, 1, 20, 1, 3),  # one begun: a new one, of which two compete with those that wait
        (2, 1, 20, 2, 0),  # not yet a batch
        (1, 2, 20, 2, 3),
        (2, 1, 2, 1, 1),  # what the budget leaves
        (0, 3, 3, 1, 0),
    ],
)
def test_when_a_queue_is_put_together_and_how_long(
    length: int, begun: int, trials: int, batch: int, expected: int
) -> None:
    policy = Policy(trials=trials, slots=2, batch=batch, ahead=3)
    assert wanted(with_queue(length, begun, running=begun), policy) == expected


def test_without_ahead_a_queue_left_over_is_begun_first() -> None:
    assert wanted(with_queue(2, 0), Policy(trials=20, slots=4)) == 0
    assert wanted(with_queue(0, 0), Policy(trials=20, slots=4)) == 1
    assert wanted(with_queue(0, 0), Policy(trials=20, slots=4, batch=5)) == 4
    assert wanted(with_queue(0, 1, running=1), Policy(trials=20, slots=4, batch=5)) == 0


def test_what_is_open_holds_a_slot_also_where_no_worker_has_it() -> None:
    policy = Policy(trials=20, slots=2, ahead=2)
    assert may_begin(with_queue(2, 0, running=1), policy, workers=2, running=0)
    assert not may_begin(with_queue(2, 0, running=2), policy, workers=2, running=0)
    assert not may_begin(with_queue(2, 0, running=1), policy, workers=2, running=2)
    assert not may_begin(with_queue(2, 0, running=1), policy, workers=1, running=0)
    assert not may_begin(with_queue(0, 1, running=1), policy, workers=2, running=0)


def test_what_others_ask_for_empties_the_queue() -> None:
    """A person may be handed what waits: it must not be begun a second time."""
    history = with_queue(2, 1, running=1)
    history.apply(Event(EventKind.ASKED, 1, body={"params": {"x": 1}}))
    assert not history.queue and wanted(history, Policy(trials=20, slots=2, ahead=3)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ahead": -1}, "run.ahead: must be 0 or more, got -1"),
        ({"ahead": 2, "batch": 3}, "run.ahead: is 2, and 3 are asked for at a time"),
        ({"cancel_obsolete": True}, "run.cancel_obsolete: needs something that waits"),
        ({"cancel_obsolete": True, "ahead": 1, "costly": True}, "these are costly"),
    ],
)
def test_policies_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Policy(trials=9, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)


# -- the order of things ---------------------------------------------------------------------------


def test_a_worker_goes_on_before_the_proposer_is_asked(
    make_loop: MakeLoop, scripted: Any, counting: Any, folder: RunFolder
) -> None:
    """Recorded, next begun, submitted, acknowledged: then asked."""
    fleet = scripted(slots=3)

    class Watching(counting):  # type: ignore[misc]
        def propose(self, space: Any, history: History, n: int, *, seed: int) -> list[Proposal]:
            over = len(history.finished)
            if over:
                assert len(fleet.running) == 3 and len(fleet.acknowledged) == over
                assert kinds(folder).count(EventKind.MEASURED) == over
            return super().propose(space, history, n, seed=seed)  # type: ignore[no-any-return]

    policy = Policy(trials=20, slots=3, ahead=2)
    loop = make_loop(fleet=fleet, proposer=Watching(), policy=policy)
    # The last of the queue is begun when two trials are left, and nobody is asked after that.
    assert loop.run() == "budget of 20 trials used"
    assert len(loop.history.completed) == 20 and not loop.history.queue
    after = [b for a, b in zip(kinds(folder), kinds(folder)[1:], strict=False) if a == "measured"]
    assert after[:16] == [EventKind.ASKED] * 16


class Minute:
    def evaluate(self, params: Any, context: Any) -> Iterator[Measurement]:
        yield Measurement({"y": float(params["x"])})


@pytest.mark.parametrize(
    ("slots", "batch", "ahead", "expected"),
    [
        (1, 1, 0, 12 * (30 + 60)),  # the worker waits for every fit
        (1, 1, 1, 30 + 12 * 60),  # it waits for the first
        (1, 1, 3, 30 + 12 * 60),
        (4, 4, 0, 3 * (30 + 60)),
        (4, 4, 4, 30 + 3 * 60),  # four are done at once, and all four go on
    ],
)
def test_no_worker_waits_for_a_fit(
    make_loop: MakeLoop, counting: Any, slots: int, batch: int, ahead: int, expected: float
) -> None:
    """A fit takes 30 s, an experiment 60 s, both on the virtual clock."""
    clock = VirtualClock()

    class Slow(counting):  # type: ignore[misc]
        def propose(self, *args: Any, **options: Any) -> list[Proposal]:
            clock.advance(30.0)
            return super().propose(*args, **options)  # type: ignore[no-any-return]

    fleet = SimulatedFleet(Minute, (Target("y"),), None, slots, clock, duration=one_minute)
    policy = Policy(trials=12, slots=slots, batch=batch, ahead=ahead)
    make_loop(fleet=fleet, proposer=Slow(), policy=policy, clock=clock).run()
    assert clock.now_s == pytest.approx(expected)


# -- ranked anew -----------------------------------------------------------------------------------


def test_what_an_outcome_makes_bad_is_not_begun_and_may_come_back(
    make_loop: MakeLoop, scripted: Any
) -> None:
    """One worker, two waiting, lower is better. The start is c0, c40, c1, from both ends of the line."""
    values = {"c0": 1.0, "c40": 0.0, "c1": -1.0}

    def answer(a: Assignment) -> Outcome:
        y = values.get(a.candidate or "", 0.5)
        return Outcome(a.trial, a.attempt, Kind.MEASURED, values={"y": y})

    class FromBothEnds(Climber):
        def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
            if len(history.completed) >= 2:
                return super().propose(space, history, n, seed=seed)
            asked = {t.candidate for t in history.trials}
            start = [c for c in ("c0", "c40", "c1", "c39") if c not in asked][:n]
            self.said.append(start)
            return [Proposal(space.pool.params(c), c) for c in start]  # type: ignore[union-attr]

    fleet, climber = scripted(slots=1, answer=answer), FromBothEnds()
    policy = Policy(trials=41, slots=1, ahead=2)
    make_loop(fleet=fleet, proposer=climber, space=LINE, policy=policy).run()
    begun = [a.candidate for a in fleet.submitted]
    # c40 is the best of two: its neighbours are put into the queue. c1, which was begun before that
    # was known, is better still: c38 leaves the queue unbegun.
    assert begun[:6] == ["c0", "c40", "c1", "c39", "c2", "c3"]
    assert climber.said[3] == ["c39", "c38"] and climber.said[4] == ["c2", "c3"]
    assert begun[-1] == "c38" and len(set(begun)) == 41


# -- budgets and ends ------------------------------------------------------------------------------


@given(
    trials=st.integers(1, 25),
    slots=st.integers(1, 4),
    batch=st.integers(1, 3),
    more=st.integers(0, 4),
    size=st.integers(1, 30),
)
def test_the_budget_is_kept_and_nothing_is_asked_twice(
    tmp_path_factory: Any, scripted: Any, trials: int, slots: int, batch: int, more: int, size: int
) -> None:
    run = RunFolder(tmp_path_factory.mktemp("q") / "run")
    run.root.mkdir()
    space = Space(pool=Pool.from_rows([{"id": f"c{i}", "x": i} for i in range(size)]))
    with Journal.create(run, VirtualClock()) as journal:
        created = Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})
        fleet = scripted(slots=slots)
        loop = Loop(
            journal,
            History(journal.append(created)),
            space,
            Climber(),
            fleet,
            Policy(trials=trials, slots=slots, batch=batch, ahead=batch + more),
            seed=0,
            clock=VirtualClock(),
        )
        reason = loop.run()
        asked = [t.candidate for t in loop.history.trials]
        assert len(asked) == len(set(asked)) == len(loop.history.completed) == min(trials, size)
        assert reason == (
            f"budget of {trials} trials used" if trials <= size else "the space is exhausted"
        )
        # Whatever is folded live is folded again from the disk.
        again = History(journal.read())
        assert again.trials == loop.history.trials and again.queue == loop.history.queue


def test_a_stopping_rule_ends_the_queue_too(make_loop: MakeLoop, scripted: Any) -> None:
    """One more is begun than without a queue: it was under way when the rule was asked."""
    loop = make_loop(
        fleet=scripted(slots=1),
        policy=Policy(trials=20, slots=1, ahead=3),
        stop=lambda history: "enough" if len(history.completed) >= 5 else "",
    )
    assert loop.run() == "enough"
    assert len(loop.history.completed) == 6 and not loop.history.queue


def test_time_that_is_up_leaves_the_queue_for_the_next_sitting(
    make_loop: MakeLoop, scripted: Any
) -> None:
    clock = VirtualClock()

    class Ticking(scripted):  # type: ignore[misc]
        def poll(self, timeout_s: float) -> list[Outcome]:
            clock.advance(1.0)
            return super().poll(timeout_s)  # type: ignore[no-any-return]

    policy = Policy(trials=20, slots=2, ahead=2, budget_s=5.0)
    loop = make_loop(fleet=Ticking(slots=2), clock=clock, policy=policy)
    assert loop.run() == "budget of time used"
    assert len(loop.history.queue) == 2 and not loop.history.pending
    waiting = [body["params"] for body in loop.history.queue]
    fleet = scripted(slots=2)
    again = make_loop(
        journal=loop.journal, history=loop.history, fleet=fleet, policy=Policy(trials=20, slots=2)
    )
    again.run()
    assert [a.params for a in fleet.submitted[:2]] == waiting
    assert len(again.history.completed) == 20


@pytest.mark.parametrize("overlap", [False, True])
def test_a_crash_is_retried_before_anything_waiting_is_begun(
    make_loop: MakeLoop, scripted: Any, overlap: bool
) -> None:
    def answer(a: Assignment) -> Outcome:
        kind = Kind.CRASHED if a.trial == 2 and a.attempt == 1 else Kind.MEASURED
        return Outcome(a.trial, a.attempt, kind, values={"y": 1.0}, reason="SIGSEGV")

    fleet = scripted(slots=1, answer=answer)
    loop = make_loop(fleet=fleet, policy=Policy(trials=6, slots=1, ahead=2, overlap=overlap))
    loop.run()
    assert [a.trial for a in fleet.submitted] == [0, 1, 2, 2, 3, 4, 5]
    assert loop.history.count(State.COMPLETE) == 6


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("nth", range(2, 12))
def test_a_disk_that_refuses_loses_nothing_of_the_queue(
    make_loop: MakeLoop, scripted: Any, nth: int, overlap: bool
) -> None:
    failpoint.arm(f"journal.before_commit:{nth}:raise")
    policy = Policy(trials=6, slots=2, ahead=2, overlap=overlap)
    loop = make_loop(fleet=scripted(slots=2), policy=policy)
    loop.run()
    assert len(loop.history.completed) == 6
    again = History(loop.journal.read())
    assert again.trials == loop.history.trials


def test_a_space_that_was_exhausted_is_not_once_something_is_withdrawn(
    make_loop: MakeLoop, scripted: Any
) -> None:
    def answer(a: Assignment) -> Outcome:
        kind = Kind.STOPPED if a.trial == 0 else Kind.MEASURED
        return Outcome(a.trial, a.attempt, kind, values={"y": float(a.trial)})

    fleet = scripted(slots=2, answer=answer, pick=lambda running: len(running) - 1)
    loop = make_loop(
        fleet=fleet,
        proposer=Climber(),
        space=Space(pool=Pool.from_rows([{"id": f"c{i}", "x": i} for i in range(5)])),
        policy=Policy(trials=20, slots=2, ahead=1),
        obsolete=lambda history, proposals: {0: "old"} if len(history.trials) == 3 else {},
    )
    assert loop.run() == "the space is exhausted"
    assert fleet.cancelled == [0] and loop.history.trials[0].state is State.WITHDRAWN
    assert [a.candidate for a in fleet.submitted] == ["c0", "c1", "c2", "c3", "c4", "c0"]
    assert len(loop.history.completed) == 5
