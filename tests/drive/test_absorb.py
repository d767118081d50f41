"""What an outcome means, where the simulator found that it had meant something else."""

from __future__ import annotations

import pytest

from matscout.drive.absorb import events_for, given_up
from matscout.drive.policy import Policy
from matscout.event import Event, EventKind
from matscout.history import PERSON, History
from matscout.outcome import NEVER_BEGAN, Kind, Outcome
from matscout.trial import State

COSTLY = Policy(trials=3, costly=True)


def in_flight(attempts: int = 1) -> History:
    """One trial, of which `attempts` were dispatched and all but the last expired."""
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})])
    history.apply(Event(EventKind.ASKED, 0, body={"params": {"x": 1}}))
    for attempt in range(1, attempts + 1):
        history.apply(Event(EventKind.DISPATCHED, 0, attempt))
        if attempt < attempts:
            history.apply(Event(EventKind.EXPIRED, 0, attempt))
    return history


def taken(history: History, outcome: Outcome, policy: Policy) -> list[EventKind]:
    events = events_for(history, outcome, policy)
    for event in events:
        history.apply(event)
    return [event.kind for event in events]


@pytest.mark.parametrize("kind", [Kind.CRASHED, Kind.INVALID, Kind.FAILED, Kind.STOPPED])
def test_a_late_value_stays_however_the_attempt_after_it_ends(kind: Kind) -> None:
    history = in_flight(attempts=2)
    late = Outcome(0, 1, Kind.MEASURED, values={"y": 2.0})
    assert taken(history, late, Policy(trials=3, max_crashes=2)) == [EventKind.MEASURED]
    ending = Outcome(0, 2, kind, reason="the lamp went out")
    kinds = taken(history, ending, Policy(trials=3, max_crashes=2))
    assert len(kinds) == 1 and kinds[0] is not EventKind.QUARANTINED
    assert history.trials[0].state is State.COMPLETE and history.best() is history.trials[0]
    assert not history.in_flight and not history.pending


def test_a_costly_experiment_that_was_stopped_waits_for_a_person() -> None:
    history = in_flight()
    kinds = taken(history, Outcome(0, 1, Kind.STOPPED, reason="stopped as asked"), COSTLY)
    assert kinds == [EventKind.SUSPENDED, EventKind.ATTENTION]
    assert history.trials[0].state is State.NEEDS_ATTENTION


def test_one_that_no_worker_had_a_hand_in_is_taken_up_again() -> None:
    history = in_flight()
    kinds = taken(history, Outcome(0, 1, Kind.STOPPED, reason=NEVER_BEGAN), COSTLY)
    assert kinds == [EventKind.SUSPENDED]
    assert history.trials[0].state is State.PENDING


SAID = {
    State.FAILED: Event(EventKind.FAILED, 0, 2, {"reason": "the furnace broke"}),
    State.ABANDONED: Event(EventKind.ABANDONED, 0, 2, {"reason": "the furnace broke"}),
    State.COMPLETE: Event(EventKind.MEASURED, 0, 2, {"values": {"y": 2.0}}),
}


def answered(state: State) -> History:
    """A trial whose driver died in attempt 1, and of which a person has spoken since."""
    history = in_flight()
    history.apply(Event(EventKind.DISPATCHED, 0, 2, {"to": PERSON}))
    history.apply(SAID[state])
    assert history.trials[0].state is state and dict(history.in_flight) == {0: 1}
    return history


@pytest.mark.parametrize("state", SAID)
@pytest.mark.parametrize("policy", [Policy(trials=3, max_crashes=1), COSTLY])
@pytest.mark.parametrize("stopping", ["", "worse than the median"])
@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.INVALID, Kind.CRASHED, Kind.STOPPED])
def test_what_a_person_has_recorded_stays(
    state: State, policy: Policy, stopping: str, kind: Kind
) -> None:
    history = answered(state)
    before = history.trials[0]
    late = Outcome(0, 1, kind, reason="no phase formed", cost_s=9.0)
    for event in events_for(history, late, policy, stopping):
        history.apply(event)
    assert history.trials[0] == before
    assert not history.in_flight and not history.pending


@pytest.mark.parametrize("state", SAID)
@pytest.mark.parametrize("kind", [EventKind.CRASHED, EventKind.EXPIRED])
def test_so_it_does_when_the_attempt_is_given_up(state: State, kind: EventKind) -> None:
    history = answered(state)
    before = history.trials[0]
    for event in given_up(before, 1, kind, "its driver died and no result was left", COSTLY):
        history.apply(event)
    assert history.trials[0] == before
    assert not history.in_flight and not history.pending
