"""Every suggestion of a journal, put together once more from what stood before it (promise R5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from matscout.clock import VirtualClock
from matscout.drive.asking import Asking
from matscout.drive.overlap import next_queue
from matscout.drive.policy import Policy
from matscout.drive.queue import wanted
from matscout.event import Event, EventKind
from matscout.history import PERSON, History
from matscout.propose.base import Proposer
from matscout.space import Space

Stop = Callable[[History], str]


def differing(
    events: Sequence[Event], space: Space, proposer: Proposer, seed: int, stop: Stop | None
) -> Iterator[str]:
    """A line for each event that holds another suggestion than its own past gives."""
    history, policy, place = History(), None, 0
    while place < len(events):
        event = events[place]
        if event.kind is EventKind.OPENED:
            policy = Policy(**event.body["policy"])
        bodies: Sequence[Mapping[str, Any]] = ()
        asked: Sequence[Mapping[str, Any]] = ()
        if event.kind is EventKind.QUEUED and event.body["trials"] and policy is not None:
            bodies = event.body["trials"]
            asking = Asking(space, proposer, policy, seed, VirtualClock(), stop)
            if "seen" in event.body:
                seen = event.body["seen"]
                asked = next_queue(asking, History(events[:seen]), seen).answer.bodies
            else:
                asked = asking.ask(history, wanted(history, policy)).bodies
        elif event.kind is EventKind.ASKED and not event.body.get("queued"):
            asked, bodies = _batch(events, place, history, space, proposer, seed, policy)
        if [_point(b) for b in asked] != [_point(b) for b in bodies]:
            yield f"event {event.seq} ({event.kind}) is not what its past gives"
        for _ in range(max(len(bodies), 1) if event.kind is EventKind.ASKED else 1):
            history.apply(events[place])
            place += 1


def _batch(
    events: Sequence[Event],
    place: int,
    history: History,
    space: Space,
    proposer: Proposer,
    seed: int,
    policy: Policy | None,
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """What was asked for together from `place` on, asked again and as it stands there. Nothing of a
    person's: those come one by one with their dispatches, and how many were asked for is not known."""
    if policy is None or _is_persons(events, place):
        return [], []
    asking = Asking(space, proposer, policy, seed, VirtualClock())
    asked: list[Mapping[str, Any]] = list(asking.ask(history, wanted(history, policy)).bodies)
    return asked, [e.body for e in events[place : place + len(asked)]]


def _is_persons(events: Sequence[Event], place: int) -> bool:
    after = events[place + 1].body if place + 1 < len(events) else {}
    return events[place].body["proposer"] == PERSON or after.get("to") == PERSON


def _point(body: Mapping[str, Any]) -> tuple[Any, ...]:
    return body["params"], body.get("candidate"), body.get("why"), body.get("proposer")
