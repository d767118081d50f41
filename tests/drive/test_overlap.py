"""Thinking while working: when the next queue is asked for, what it may repeat, and every end (R6, R16)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matscout.clock import VirtualClock
from matscout.drive.config import parse_config
from matscout.drive.interrupt import Interrupt
from matscout.drive.loop import _GRACE_S, _POLL_S, Loop
from matscout.drive.overlap import _DROP_S, as_begun, due_at
from matscout.drive.policy import Policy
from matscout.drive.queue import queued
from matscout.drive.thought import OnClock
from matscout.errors import InputError
from matscout.event import Event, EventKind
from matscout.fleet.process import _END_S
from matscout.fleet.simulated import SimulatedFleet, one_minute
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Kind, Outcome
from matscout.parameter import Int
from matscout.pool import Pool
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Proposal, State, Target

MakeLoop = Callable[..., Loop]
POLICY = Policy(trials=24, slots=4, batch=2, ahead=5, overlap=True)


# -- the decisions ---------------------------------------------------------------------------------


def begun(length: int, begun: int) -> History:
    """Of a queue of `begun + length`, `begun` have become trials; each is an event, and so is its dispatch."""
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})])
    bodies = [{"params": {"x": i}} for i in range(begun + length)]
    history.apply(queued(bodies))
    for trial, body in enumerate(bodies[:begun]):
        history.apply(Event(EventKind.ASKED, trial, body={**body, "queued": True}))
        history.apply(Event(EventKind.DISPATCHED, trial, 1))
    return history


@pytest.mark.parametrize(
    ("length", "done", "event"),
    [(5, 0, 0), (4, 1, 0), (3, 2, 6), (1, 4, 6), (0, 5, 6), (0, 1, 4), (1, 1, 0), (0, 0, 0)],
)
def test_when_the_next_queue_is_asked_for(length: int, done: int, event: int) -> None:
    """After two of it, or after all of a shorter one: at the dispatch, which is the 2nd event of each."""
    assert due_at(begun(length, done), POLICY) == event


def test_what_a_person_asked_for_voids_the_question_that_was_due() -> None:
    """It would be put to the history before that, and might be answered with the person's own point."""
    history = begun(1, 4)
    assert due_at(history, POLICY)
    history.apply(Event(EventKind.ASKED, 4, body={"params": {"x": 9}}))
    assert due_at(history, POLICY) == 0 and not history.queue


def test_what_waits_counts_as_begun_and_the_history_stays_as_it_was() -> None:
    history = begun(3, 2)
    history.apply(Event(EventKind.REPORTED, 0, 1, {"step": 1, "values": {"y": 1.0}}))
    ahead = as_begun(history)
    assert [t.params["x"] for t in ahead.pending] == [0, 1, 2, 3, 4] and not ahead.queue
    assert len(history.queue) == 3 and len(history.trials) == 2
    history.apply(Event(EventKind.REPORTED, 0, 1, {"step": 2, "values": {"y": 2.0}}))
    assert len(history.trials[0].reports) == 2 and len(ahead.trials[0].reports) == 1


# -- while it thinks ---------------------------------------------------------------------------------


def test_outcomes_are_recorded_and_the_rest_is_begun_while_it_thinks(
    make_loop: MakeLoop, scripted: Any, late: Any
) -> None:
    """Of a queue of seven two begin the thought. While it lasts the other five are begun, each for an
    outcome that was recorded."""
    seen: list[tuple[int, int]] = []

    def look() -> None:
        seen.append((len(loop.history.finished), len(loop.history.trials)))

    policy = Policy(trials=14, slots=2, batch=2, ahead=7, overlap=True)
    loop = make_loop(fleet=scripted(slots=2), policy=policy, think=late(2, on_look=look))
    loop.run()
    first = next(place for place in seen if place != (0, 0))
    assert first == (6, 7)  # looked for when a sixth outcome had set a worker free, and not before


class Minute:
    def evaluate(self, params: Any, context: Any) -> Iterator[Measurement]:
        yield Measurement({"y": float(params["x"])})


@pytest.mark.parametrize(
    ("slots", "batch", "ahead", "fit_s", "expected"),
    [
        (1, 1, 2, 30, 30 + 12 * 60),  # it waits for the first
        (4, 1, 5, 30, 30 + 3 * 60),  # four are done at once, and all four go on
        (4, 1, 5, 60, 60 + 3 * 60),
        (4, 1, 5, 90, 90 + 60 + 30 + 60 + 30 + 60),  # a fit that takes longer is waited for
        (4, 2, 4, 30, 30 + 3 * 60),  # the queue is used up, and the next is there already
    ],
)
def test_no_worker_waits_for_a_thought(
    make_loop: MakeLoop,
    counting: Any,
    slots: int,
    batch: int,
    ahead: int,
    fit_s: int,
    expected: int,
) -> None:
    clock = VirtualClock()
    fleet = SimulatedFleet(Minute, (Target("y"),), None, slots, clock, duration=one_minute)
    policy = Policy(trials=12, slots=slots, batch=batch, ahead=ahead, overlap=True)
    make_loop(
        fleet=fleet,
        policy=policy,
        clock=clock,
        think=lambda work: OnClock(work, clock, lambda said: fit_s),
    ).run()
    assert clock.now_s == pytest.approx(expected)


# -- nothing twice, and every end --------------------------------------------------------------------


def test_no_point_of_625_is_asked_twice_with_eight_pending(
    make_loop: MakeLoop, scripted: Any, late: Any
) -> None:
    from matscout.propose.tpe import TpeProposer

    grid = Space(tuple(Int(name, 0, 4) for name in "abcd"))
    policy = Policy(trials=120, slots=8, batch=4, ahead=16, overlap=True)
    loop = make_loop(
        fleet=scripted(slots=8), space=grid, proposer=TpeProposer(), policy=policy, think=late(0, 9)
    )
    loop.run()
    points = [tuple(t.params.values()) for t in loop.history.trials]
    assert len(points) == len(set(points)) == len(loop.history.completed) == 120


@dataclass
class Lowest:
    """From a pool: the first that nobody has asked for."""

    name: str = "lowest"

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        assert space.pool is not None
        asked = {t.candidate for t in history.asked_for}
        free = [c for c in space.pool.ids if c not in asked]
        return [Proposal(space.pool.params(c), c) for c in free[:n]]


def line(size: int) -> Space:
    return Space(pool=Pool.from_rows([{"id": f"c{i:02}", "x": i} for i in range(size)]))


@settings(max_examples=30)
@given(
    trials=st.integers(1, 25),
    slots=st.integers(1, 4),
    batch=st.integers(1, 3),
    more=st.integers(0, 4),
    size=st.integers(1, 30),
    looks=st.integers(0, 12),
)
def test_the_budget_is_kept_and_nothing_is_asked_twice(
    tmp_path_factory: Any, scripted: Any, trials: int, slots: int, batch: int, more: int, size: int,
    looks: int, late: Any,
) -> None:  # fmt: skip
    """Also where ahead is no more than batch: then nothing is left to overlap."""
    run = RunFolder(tmp_path_factory.mktemp("o") / "run")
    run.root.mkdir()
    policy = Policy(trials=trials, slots=slots, batch=batch, ahead=batch + more, overlap=True)
    with Journal.create(run, VirtualClock()) as journal:
        created = Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})
        loop = Loop(
            journal, History(journal.append(created)), line(size), Lowest(), scripted(slots=slots),
            policy, seed=0, clock=VirtualClock(), think=late(looks),
        )  # fmt: skip
        reason = loop.run()
        asked = [t.candidate for t in loop.history.trials]
        assert asked == list(line(size).pool.ids)[: min(trials, size)]  # type: ignore[union-attr]
        assert len(loop.history.completed) == len(asked)
        assert reason == (
            f"budget of {trials} trials used" if trials <= size else "the space is exhausted"
        )
        again = History(journal.read())
        assert again.trials == loop.history.trials and again.queue == loop.history.queue


def test_a_stopping_rule_is_asked_of_the_same_history_as_the_proposer(
    make_loop: MakeLoop, scripted: Any, late: Any
) -> None:
    """What waits when the rule says stop is begun: the queue is used up whole."""
    asked_at: list[int] = []

    def stop(history: History) -> str:
        asked_at.append(len(history.completed))
        return "enough" if len(history.completed) >= 5 else ""

    policy = Policy(trials=30, slots=2, batch=1, ahead=4, overlap=True)
    runs = []
    for looks in (0, 9):
        asked_at.clear()
        fleet = scripted(slots=2)
        loop = make_loop(fleet=fleet, policy=policy, stop=stop, think=late(looks))
        assert loop.run() == "enough"
        runs.append((len(loop.history.completed), tuple(asked_at)))
        loop.journal.close()
        loop.journal._folder.journal.unlink()
    # At the start, and when the first of each queue had been begun: with 0, 3 and 7 results.
    assert runs[0] == runs[1] and runs[0][0] == 12 and runs[0][1][:5] == (0, 0, 0, 3, 7)


def test_a_rule_that_no_longer_holds_is_asked_again(
    make_loop: MakeLoop, scripted: Any, late: Any
) -> None:
    policy = Policy(trials=20, slots=2, batch=1, ahead=3, overlap=True)
    loop = make_loop(
        fleet=scripted(slots=2),
        policy=policy,
        stop=lambda history: "pause" if 4 <= len(history.completed) < 8 else "",
        think=late(2),
    )
    assert loop.run() == "budget of 20 trials used"


def test_time_that_is_up_leaves_the_queue_for_the_next_sitting(
    make_loop: MakeLoop, scripted: Any, late: Any
) -> None:
    clock = VirtualClock()

    class Ticking(scripted):  # type: ignore[misc]
        def poll(self, timeout_s: float) -> list[Outcome]:
            clock.advance(1.0)
            return super().poll(timeout_s)  # type: ignore[no-any-return]

    policy = Policy(trials=20, slots=2, batch=1, ahead=12, overlap=True, budget_s=5.0)
    loop = make_loop(fleet=Ticking(slots=2), clock=clock, policy=policy, think=late(10**6))
    loop._next._think = late(0, 10**6)  # the first thought ends, the second never does
    assert loop.run() == "budget of time used"
    waiting = [body["params"] for body in loop.history.queue]
    assert waiting and not loop.history.pending
    fleet = scripted(slots=2)
    again = make_loop(
        journal=loop.journal,
        history=loop.history,
        fleet=fleet,
        policy=replace(policy, budget_s=None),
    )
    again.run()
    assert [a.params for a in fleet.submitted[: len(waiting)]] == waiting
    assert len(again.history.completed) == 20


def test_what_had_become_obsolete_in_an_earlier_sitting_is_withdrawn(
    make_loop: MakeLoop, scripted: Any, late: Any
) -> None:
    """Its point is free again, also where the space had been exhausted without it."""

    kinds = {0: Kind.STOPPED}
    fleet = scripted(
        slots=2,
        answer=lambda a: Outcome(a.trial, a.attempt, kinds.get(a.trial, Kind.MEASURED), {"y": 1.0}),
    )
    policy = Policy(trials=20, slots=2, batch=1, ahead=3, overlap=True)
    loop = make_loop(fleet=fleet, proposer=Lowest(), space=line(7), policy=policy, think=late(1))
    bodies = [{"params": {"x": i}, "candidate": f"c{i:02}"} for i in range(2)]
    started = [Event(EventKind.ASKED, i, body=body) for i, body in enumerate(bodies)]
    loop.record(*started, queued([], {0: "old"}))
    loop.record(Event(EventKind.DISPATCHED, 0, 1))
    loop._submit(loop.history.trials[0], 1)
    assert loop.run() == "the space is exhausted"
    assert loop.history.trials[0].state is State.WITHDRAWN
    assert sorted(t.candidate for t in loop.history.completed) == list(line(7).pool.ids)  # type: ignore[union-attr, type-var]


def test_who_waits_to_be_heard_is_not_given_up(
    make_loop: MakeLoop, scripted: Any, late: Any
) -> None:
    """A thought of an hour, a lease of a minute: results that came in meanwhile are no silence."""
    clock = VirtualClock()

    policy = Policy(trials=6, slots=3, batch=1, ahead=2, overlap=True, lease_s=60.0)
    fleet = scripted(slots=3, pick=lambda running: 0)
    loop = make_loop(
        fleet=fleet, policy=policy, clock=clock, think=late(6, on_look=lambda: clock.advance(600.0))
    )
    loop.run()
    assert len(loop.history.completed) == 6
    assert {t.attempts for t in loop.history.trials[:3]} == {1}


# -- interrupted -------------------------------------------------------------------------------------


def test_ctrl_c_does_not_wait_for_a_thought(make_loop: MakeLoop, scripted: Any) -> None:
    interrupt = Interrupt()
    ended: list[str] = []

    @dataclass
    class ForEver:
        name: str = "for ever"

        def propose(self, *args: Any, **options: Any) -> list[Proposal]:
            interrupt.press()
            try:
                while True:
                    pass
            finally:
                ended.append("cut off")

    policy = Policy(trials=9, slots=2, batch=1, ahead=3, overlap=True)
    loop = make_loop(
        fleet=scripted(slots=2), policy=policy, proposer=ForEver(), interrupt=interrupt
    )
    assert loop.run() == "interrupted"
    assert ended == ["cut off"]


def test_what_an_exit_waits_for_is_less_than_ten_seconds() -> None:
    """Running work and one last look at it, the thought, and the end of the workers, one after another."""
    assert _GRACE_S + _POLL_S + _DROP_S + _END_S < 9.5


def test_what_a_proposer_raises_is_raised(make_loop: MakeLoop, scripted: Any) -> None:
    class Broken:
        name = "broken"

        def propose(self, *args: Any, **options: Any) -> list[Proposal]:
            raise InputError("proposer", "cannot choose from a pool")

    policy = Policy(trials=9, slots=2, batch=1, ahead=3, overlap=True)
    with pytest.raises(InputError, match="cannot choose"):
        make_loop(fleet=scripted(slots=2), policy=policy, proposer=Broken()).run()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"overlap": True}, "run.overlap: needs trials to begin while the next"),
        (
            {"overlap": True, "ahead": 2, "cancel_obsolete": True},
            "run.cancel_obsolete: needs every fit",
        ),
        ({"overlap": True, "ahead": 2, "fleet": "inline"}, "run.overlap: needs workers that go on"),
        ({"gpus": 0.5}, "run.gpus: workers of fleet 'process' have the processor alone"),
        ({"gpus": 1.0, "fleet": "inline"}, 'use fleet = "ray", or gpus = 0'),
        ({"overlap": 1}, "run.overlap: input should be a valid boolean"),
        ({"overlapp": True}, "unknown key 'overlapp'; did you mean 'overlap'"),
    ],
)
def test_settings_that_make_no_sense(run: dict[str, Any], message: str) -> None:
    raw: dict[str, Any] = {
        "name": "r",
        "space": {"parameters": {"x": {"type": "float", "low": 0, "high": 1}}},
        "targets": [{"name": "y", "direction": "min"}],
        "evaluator": {"type": "function", "target": "m:f"},
        "run": run,
    }
    with pytest.raises(InputError) as caught:
        parse_config(raw).run.policy()
    assert message in str(caught.value) and "\n" not in str(caught.value)
