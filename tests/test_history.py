from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import State, Target, Trial

CREATED = Event(EventKind.CREATED, body={"targets": [{"name": "y", "direction": "max"}]})


def asked(trial: int, **params: Any) -> Event:
    return Event(EventKind.ASKED, trial, body={"params": params or {"x": trial}})


def measured(trial: int, value: float, attempt: int = 1) -> Event:
    return Event(EventKind.MEASURED, trial, attempt, {"values": {"y": value}})


def history(*events: Event) -> History:
    return History([CREATED, *events])


def test_the_life_of_a_trial() -> None:
    h = history(asked(0), asked(1))
    assert [t.id for t in h.pending] == [0, 1] and h.count_pending == 2
    h.apply(Event(EventKind.DISPATCHED, 0, 1))
    assert dict(h.in_flight) == {0: 1} and h.trials[0].attempts == 1
    h.apply(Event(EventKind.REPORTED, 0, 1, {"step": 1, "values": {"y": 0.5}}))
    h.apply(measured(0, 2.0))
    assert not h.in_flight and [t.id for t in h.completed] == [0]
    assert h.trials[0].values == {"y": 2.0} and h.trials[0].finished == 0
    assert h.best() is h.trials[0] and h.targets == (Target("y", "max"),)
    assert h.count(State.COMPLETE, State.PENDING) == 2


def test_best_is_the_earliest_of_equals_and_never_a_failure() -> None:
    h = history(asked(0), asked(1), asked(2), measured(1, 3.0), measured(0, 3.0))
    h.apply(Event(EventKind.INVALID, 2, 1, {"reason": "y must be finite, got inf"}))
    best = h.best()
    assert best is not None and best.id == 1
    assert [t.id for t in h.finished] == [1, 0, 2] and h.count(State.INVALID) == 1


def test_a_crash_goes_back_to_the_queue_and_is_counted() -> None:
    h = history(asked(0), Event(EventKind.DISPATCHED, 0, 1))
    h.apply(Event(EventKind.CRASHED, 0, 1, {"reason": "SIGSEGV"}))
    assert h.trials[0].state is State.PENDING and h.trials[0].crashes == 1 and not h.in_flight
    h.apply(Event(EventKind.DISPATCHED, 0, 2))
    h.apply(Event(EventKind.SUSPENDED, 0, 2))
    assert h.trials[0].crashes == 1 and h.trials[0].attempts == 2 and not h.in_flight


def test_a_stale_end_does_not_touch_the_attempt_in_flight() -> None:
    h = history(asked(0), Event(EventKind.DISPATCHED, 0, 1), Event(EventKind.EXPIRED, 0, 1))
    h.apply(Event(EventKind.DISPATCHED, 0, 2))
    h.apply(measured(0, 1.0, attempt=1))
    assert dict(h.in_flight) == {0: 2} and h.trials[0].answered == (1,)
    h.apply(Event(EventKind.REPLICATED, 0, 2, {"values": {"y": 1.5}}))
    trial = h.trials[0]
    assert not h.in_flight and trial.values == {"y": 1.0} and trial.answered == (1, 2)
    assert [r.values for r in trial.replicates] == [{"y": 1.5}]


@pytest.mark.parametrize(
    "kind", [EventKind.INVALID, EventKind.FAILED, EventKind.PRUNED, EventKind.QUARANTINED,
             EventKind.CRASHED, EventKind.EXPIRED, EventKind.ATTENTION],
)  # fmt: skip
def test_no_later_attempt_takes_a_value_away(kind: EventKind) -> None:
    h = history(asked(0), Event(EventKind.DISPATCHED, 0, 1), Event(EventKind.EXPIRED, 0, 1))
    h.apply(Event(EventKind.DISPATCHED, 0, 2))
    h.apply(measured(0, 1.0, attempt=1))
    before = h.trials[0]
    h.apply(Event(kind, 0, 2, {"reason": "the lamp went out"}))
    assert h.trials[0] == before and h.best() is h.trials[0]
    assert not h.in_flight and not h.pending


def test_what_needs_attention_frees_its_slot_but_stays_pending() -> None:
    h = history(asked(0), Event(EventKind.DISPATCHED, 0, 1))
    h.apply(Event(EventKind.ATTENTION, 0, 1, {"reason": "a costly experiment crashed"}))
    assert h.count_pending == 0 and [t.id for t in h.pending] == [0]
    h.apply(measured(0, 1.0))
    assert h.count_pending == 0 and h.pending == [] and h.trials[0].state is State.COMPLETE


def test_a_retried_attempt_reports_its_steps_again() -> None:
    h = history(asked(0))
    for step, value in [(1, 1.0), (2, 2.0), (3, 3.0), (2, 2.5), (3, 3.5)]:
        h.apply(Event(EventKind.REPORTED, 0, 1, {"step": step, "values": {"y": value}}))
    assert [(r.step, r.values["y"]) for r in h.trials[0].reports] == [(1, 1.0), (2, 2.5), (3, 3.5)]


@pytest.mark.parametrize(
    "event",
    [
        asked(1),
        measured(0, 1.0),
        Event(EventKind.DISPATCHED, None, 1),
        Event(EventKind.CRASHED, 5, 1),
    ],
)
def test_an_impossible_event_is_refused(event: Event) -> None:
    with pytest.raises(ValueError):
        history(event)


def test_events_out_of_order_are_refused() -> None:
    h = History([Event(EventKind.CREATED, seq=1)])
    with pytest.raises(ValueError, match="event 3 cannot follow event 1"):
        h.apply(Event(EventKind.OPENED, seq=3))


ends = st.sampled_from(
    [EventKind.MEASURED, EventKind.FAILED, EventKind.INVALID, EventKind.PRUNED, EventKind.CRASHED,
     EventKind.EXPIRED, EventKind.SUSPENDED, EventKind.ATTENTION, EventKind.ABANDONED,
     EventKind.REPLICATED, EventKind.QUARANTINED, EventKind.DISPATCHED]
)  # fmt: skip


@given(st.lists(st.tuples(ends, st.integers(0, 3), st.integers(1, 3), st.floats(-1e9, 1e9))))
def test_the_fold_is_consistent_whatever_happens(
    steps: list[tuple[EventKind, int, int, float]],
) -> None:
    """Counts, lists and states agree; folding in one go equals folding step by step."""
    events = [CREATED, *(asked(i) for i in range(4))]
    h = History(events)
    for kind, trial, attempt, value in steps:
        event = Event(kind, trial, attempt, {"values": {"y": value}, "reason": "r"})
        events.append(event)
        h.apply(event)
        states = [t.state for t in h.trials]
        assert all(h.count(s) == states.count(s) for s in State)
        assert h.count_pending == states.count(State.PENDING)
        assert {t.id for t in h.pending} == {t.id for t in h.trials if t.open}
        assert sorted(t.finished for t in h.finished if t.finished is not None) == list(
            range(len(h.finished))
        )
        assert all(t.finished is not None for t in h.trials if not t.open)
    again = History(events)
    assert list(again.trials) == list(h.trials) and list(again.changes) == list(h.changes)
    assert dict(again.in_flight) == dict(h.in_flight)
    assert all(isinstance(t, Trial) for t in again.trials)


# -- the queue, and what is withdrawn --------------------------------------------------------------


def queued(*xs: float, **obsolete: str) -> Event:
    body: dict[str, Any] = {"trials": [{"params": {"x": x}} for x in xs]}
    return Event(
        EventKind.QUEUED, body=body | {"obsolete": {k[1:]: v for k, v in obsolete.items()}}
    )


def test_a_queue_holds_no_trials_until_they_are_asked_for() -> None:
    h = history(asked(0), queued(0.5, 0.25))
    assert len(h.trials) == h.count_pending == 1 and not h.begun_from_queue
    h.apply(Event(EventKind.ASKED, 1, body={**h.queue[0], "queued": True}))
    assert h.trials[1].params == {"x": 0.5} and [b["params"]["x"] for b in h.queue] == [0.25]
    assert h.begun_from_queue == 1
    h.apply(queued(0.125))
    assert [b["params"]["x"] for b in h.queue] == [0.125] and not h.begun_from_queue
    h.apply(asked(2))
    assert not h.queue, "whoever asks for something else has not looked at the queue"


def test_a_withdrawn_trial_is_as_if_it_had_not_been_asked_for() -> None:
    h = history(asked(0), asked(1), Event(EventKind.DISPATCHED, 1, 1))
    h.apply(queued(0.5, t0="old", t1="old"))
    h.apply(measured(0, 2.0))
    assert dict(h.obsolete) == {1: "old"}, "what is over is not obsolete"
    h.apply(Event(EventKind.WITHDRAWN, 1, 1, {"reason": "old"}))
    assert not h.obsolete and not h.in_flight and h.count_pending == 0
    assert [t.id for t in h.asked_for] == [0] and h.count_asked == 1 and len(h.trials) == 2
    assert [t.id for t in h.finished] == [0] and h.trials[1].reason == "old"
    h.apply(measured(1, 3.0))
    assert [t.id for t in h.finished] == [0, 1] and h.count_asked == 2
    assert h.trials[1].finished == 1 and h.best() is h.trials[1]


def test_a_fork_goes_its_own_way() -> None:
    h = history(asked(0), queued(0.5))
    other = h.fork()
    other.apply(measured(0, 2.0))
    other.apply(asked(1))
    assert h.trials[0].open and len(h.trials) == 1 and len(h.queue) == 1 and h.seq == 3
    assert h.count(State.PENDING) == 1 and not h.completed and list(h.changes) == [0]
    assert [t.id for t in other.completed] == [0] and other.seq == 5
