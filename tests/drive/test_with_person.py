"""A trial in a person's hands: pending for proposers, invisible to fleets, over when it is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matscout.drive.absorb import given_up
from matscout.drive.loop import Loop
from matscout.drive.policy import Policy
from matscout.drive.recommend import handed_out, person_takes
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import State

CREATED = Event(EventKind.CREATED, body={"targets": [{"name": "y", "direction": "max"}]})


def test_it_is_pending_but_holds_no_slot() -> None:
    h = History([CREATED, *handed_out(0, {"params": {"x": 1}})])
    assert dict(h.with_person) == {0: 1} and not h.in_flight
    assert [t.id for t in h.pending] == [0] and h.count_pending == 0
    h.apply(Event(EventKind.MEASURED, 0, 1, {"values": {"y": 2.0}}))
    assert not h.with_person and not h.pending and h.count_pending == 0


def test_given_back_it_is_the_fleets() -> None:
    h = History([CREATED, *handed_out(0, {"params": {"x": 1}})])
    h.apply(Event(EventKind.SUSPENDED, 0, 1))
    assert not h.with_person and h.count_pending == 1


def test_a_costly_experiment_that_needs_attention_may_be_answered() -> None:
    h = History([CREATED, Event(EventKind.ASKED, 0, body={"params": {"x": 1}})])
    h.apply(Event(EventKind.DISPATCHED, 0, 1))
    h.apply(Event(EventKind.ATTENTION, 0, 1, {"reason": "crashed"}))
    h.apply(person_takes(0, 2))
    assert h.count_pending == 0 and h.trials[0].state is State.NEEDS_ATTENTION
    h.apply(Event(EventKind.MEASURED, 0, 2, {"values": {"y": 2.0}}))
    assert h.count_pending == 0 and not h.with_person and h.trials[0].state is State.COMPLETE


def test_a_replicate_by_a_person_parks_nothing() -> None:
    h = History([CREATED, *handed_out(0, {"params": {"x": 1}})])
    h.apply(Event(EventKind.MEASURED, 0, 1, {"values": {"y": 2.0}}))
    h.apply(person_takes(0, 2))
    h.apply(Event(EventKind.REPLICATED, 0, 2, {"values": {"y": 2.5}}))
    assert h.count_pending == 0 and not h.with_person and h.trials[0].answered == (1, 2)


def test_the_loop_leaves_it_to_the_person(make_loop: Callable[..., Loop], scripted: Any) -> None:
    """The fleet fills all its slots beside two open trials, and ends while they are still open."""
    fleet = scripted(slots=2)
    loop = make_loop(fleet=fleet, policy=Policy(trials=10, slots=2))
    for trial, x in ((0, 0.25), (1, 0.75)):
        loop.record(*handed_out(trial, {"params": {"x": x}}))
    assert loop.run() == "budget of 10 trials used"
    assert sorted({a.trial for a in fleet.submitted}) == list(range(2, 10))
    assert dict(loop.history.with_person) == {0: 1, 1: 1} and len(loop.history.completed) == 8
    loop.record(Event(EventKind.MEASURED, 0, 1, {"values": {"y": 0.0}}))
    assert loop.history.count(State.PENDING) == 1


def test_a_person_answers_for_a_driver_that_died() -> None:
    """The fleet's attempt is settled by the next sitting; the person's value stands."""
    h = History([CREATED, Event(EventKind.ASKED, 0, body={"params": {"x": 1}})])
    h.apply(Event(EventKind.DISPATCHED, 0, 1))
    h.apply(person_takes(0, 2))
    h.apply(Event(EventKind.MEASURED, 0, 2, {"values": {"y": 2.0}}))
    assert dict(h.in_flight) == {0: 1}
    for event in given_up(h.trials[0], 1, EventKind.CRASHED, "dead", Policy(trials=1, costly=True)):
        h.apply(event)
    assert not h.in_flight and h.count_pending == 0
    assert h.trials[0].state is State.COMPLETE and h.trials[0].values == {"y": 2.0}
