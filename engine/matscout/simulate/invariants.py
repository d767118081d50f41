"""What must hold of a journal whatever happened, by the laboratory's own ledger.

Each check says in one line what is wrong, or nothing. They read the journal's events and the ledger, and
fold a history of their own: nothing that the driver remembers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matscout.drive.policy import Policy
from matscout.drive.stop import hopeless
from matscout.event import Event, EventKind
from matscout.history import PERSON, History
from matscout.outcome import Kind
from matscout.simulate.laboratory import Laboratory
from matscout.trial import State

_VALUES = (EventKind.MEASURED, EventKind.REPLICATED)
_BROKE = (EventKind.CRASHED, EventKind.EXPIRED)
_OVER = (*_BROKE, EventKind.SUSPENDED, EventKind.PRUNED)
_ENDS = (EventKind.MEASURED, EventKind.FAILED, EventKind.INVALID, EventKind.QUARANTINED,
         EventKind.ABANDONED, EventKind.WITHDRAWN)  # fmt: skip


def broken(events: Sequence[Event], lab: Laboratory, seen: Sequence[Event]) -> list[str]:
    """What holds no longer after a sitting. `seen` are the events that drivers were told are safe."""
    found = [
        *_kept(events, seen),
        *_values(events, lab),
        *_dispatches(events),
        *_begun(events, lab),
    ]
    return [*found, *_budget(events), *_best(events, lab)]


def broken_at_the_end(events: Sequence[Event], lab: Laboratory) -> list[str]:
    """What more must hold once the run is over and the outbox was swept for the last time."""
    found = []
    journalled = {(e.trial, e.attempt) for e in events if e.kind in _VALUES}
    for trial, attempt in sorted(lab.ledger.results()):
        if (trial, attempt) not in journalled:
            found.append(f"lost: the measurement of trial {trial}, attempt {attempt}")
    history = History(events)
    failed = hopeless(history) is not None  # it ended with an error, in the middle of its work
    for trial, attempt in history.in_flight.items() if not failed else ():
        found.append(f"trial {trial} is over for good with attempt {attempt} in flight")
    for known in history.pending:
        waits = known.state is State.PENDING and known.id not in history.with_person
        if waits and not failed:
            found.append(f"the run ended ({history.stopped!r}) with trial {known.id} pending")
    if not history.stopped:
        found.append("the run ended without a reason")
    return found


def _kept(events: Sequence[Event], seen: Sequence[Event]) -> Iterator[str]:
    """What a driver was told is on the disk, is there, where it was put."""
    for event in seen:
        if len(events) < event.seq or events[event.seq - 1] != event:
            yield f"event {event.seq} ({event.kind}) was committed and is not in the journal"
            return


def _values(events: Sequence[Event], lab: Laboratory) -> Iterator[str]:
    """The first valid result is the value, later ones replicates; each once, each as it was measured."""
    person = {(e.trial, e.attempt) for e in events if e.body.get("to") == PERSON}
    times = Counter((e.trial, e.attempt) for e in events if e.kind in _VALUES)
    for (trial, attempt), count in times.items():
        if count > 1:
            yield f"doubled: trial {trial}, attempt {attempt} has {count} values"
    known: set[int | None] = set()
    for event in events:
        key = event.trial, event.attempt
        if event.kind is EventKind.CONFLICT and key not in lab.ledger.lies:
            yield f"trial {event.trial}: a conflict, and nobody told a lie"
        if event.kind not in _VALUES:
            continue
        if (event.kind is EventKind.MEASURED) == (event.trial in known):
            yield f"trial {event.trial}: {event.kind}, which is not its turn"
        known.add(event.trial)
        value = event.body["values"]["y"]
        if not isinstance(value, float) or not math.isfinite(value):
            yield f"trial {event.trial} has the value {value!r}"
        assert event.trial is not None and event.attempt is not None
        if key in person:
            right = value in lab.ledger.by_person.get(event.trial, ())
        else:
            right = value == lab.truth(event.trial, event.attempt)
        if not right:
            yield f"trial {event.trial}, attempt {event.attempt}: {value} is not what was measured"


def _dispatches(events: Sequence[Event]) -> Iterator[str]:
    """Nothing is dispatched again before the last attempt is over, after the end, or too often."""
    trials: dict[int, _Dispatched] = {}
    policy: Policy | None = None
    for event in events:
        if event.kind is EventKind.OPENED:
            policy = Policy(**event.body["policy"])
        if event.trial is None:
            continue
        trial = trials.setdefault(event.trial, _Dispatched())
        to_fleet = event.kind is EventKind.DISPATCHED and event.body.get("to") != PERSON
        if to_fleet and policy is not None:
            for problem in trial.problems(event.attempt or 0, policy):
                yield f"trial {event.trial}: attempt {event.attempt} dispatched {problem}"
        trial.take(event, to_fleet)


@dataclass
class _Dispatched:
    """What a fleet was given of one trial."""

    attempt: int = 0
    over: bool = True
    ended: bool = False
    broke: int = 0

    def problems(self, attempt: int, policy: Policy) -> Iterator[str]:
        if not self.over:
            yield "and the last one is not over"
        if attempt <= self.attempt:
            yield f"after attempt {self.attempt}"
        if self.ended:
            yield "after its end"
        if self.broke >= policy.max_crashes:
            yield f"after {self.broke} crashes"

    def take(self, event: Event, to_fleet: bool) -> None:
        if to_fleet:
            self.attempt, self.over = event.attempt or 0, False
        elif event.kind in _OVER and event.attempt == self.attempt:
            self.over = True
        if event.kind is EventKind.THAWED:
            self.ended = False
        self.ended = self.ended or event.kind in _ENDS
        self.broke += event.kind in _BROKE


def _begun(events: Sequence[Event], lab: Laboratory) -> Iterator[str]:
    """Nothing is begun at a bench twice, nor without the journal, nor again where it is costly."""
    for key, count in lab.ledger.begun.items():
        if count > 1:
            yield f"begun {count} times: (trial, attempt, part) {key}"
    begun = lab.ledger.attempts_begun()
    journalled = {(e.trial, e.attempt) for e in events if e.kind is EventKind.DISPATCHED}
    for trial, attempt in sorted(begun - journalled):
        yield f"trial {trial}, attempt {attempt} was begun, and the journal knows nothing of it"
    if lab.costly:
        for trial, count in Counter(trial for trial, _ in begun).items():
            if count > 1:
                yield f"costly trial {trial} was begun {count} times"


def _budget(events: Sequence[Event]) -> Iterator[str]:
    """Never more trials asked for, nor more of them open, than the policy allows; no point twice."""
    history, policy = History(), None
    points: dict[str, int] = {}
    withdrawn = {e.trial for e in events if e.kind is EventKind.WITHDRAWN}
    for place, event in enumerate(events):
        history.apply(event)
        if event.kind is EventKind.OPENED:
            policy = Policy(**event.body["policy"])
        if event.kind is not EventKind.ASKED or event.trial is None:
            continue
        point = repr(sorted(event.body["params"].items()))
        if event.trial not in withdrawn:
            if point in points:
                yield f"trial {event.trial} repeats the point of trial {points[point]}"
            points[point] = event.trial
        if event.body["proposer"] == PERSON or _for_person(events, place) or policy is None:
            continue
        if history.count_asked > policy.trials:
            yield f"trial {event.trial} is number {history.count_asked} of {policy.trials}"
        if history.count_pending > policy.slots:
            yield f"{history.count_pending} trials open with {policy.slots} slots"


def _for_person(events: Sequence[Event], place: int) -> bool:
    following = events[place + 1] if place + 1 < len(events) else None
    return following is not None and following.body.get("to") == PERSON


def _best(events: Sequence[Event], lab: Laboratory) -> Iterator[str]:
    """No invalid, failed or missing value is ever the best, and nothing takes a value away."""
    history = History(events)
    for trial in sorted(
        {e.trial for e in events if e.kind is EventKind.MEASURED and e.trial is not None}
    ):
        if history.trials[trial].state is not State.COMPLETE:
            yield f"trial {trial} had a value, and is {history.trials[trial].state}"
    best = history.best() if history.targets else None
    if best is None:
        return
    first = next(e for e in events if e.kind is EventKind.MEASURED and e.trial == best.id)
    values = [e.body["values"]["y"] for e in events if e.kind is EventKind.MEASURED]
    if best.values != first.body["values"] or best.values["y"] != max(values):
        yield f"the best is trial {best.id} with {dict(best.values)}, and there is {max(values)}"
    told = lab.ledger.durable.get((best.id, best.answered[0]))
    if told is not None and told.kind is not Kind.MEASURED:
        yield f"the best is trial {best.id}, whose attempt was {told.kind}"
