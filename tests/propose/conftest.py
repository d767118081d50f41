"""Histories told by events, for proposers to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import Proposal


@dataclass
class Story:
    """A history and the ways to add to it."""

    direction: str = "min"
    seed: int = 3
    history: History = field(default_factory=History)
    others: Mapping[str, str] = field(default_factory=dict)
    """Further targets, by name the direction."""
    limits: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        targets = [{"name": "y", "direction": self.direction}]
        targets += [{"name": name, "direction": way} for name, way in self.others.items()]
        body = {"targets": targets, "limits": list(self.limits), "seed": self.seed}
        self.say(Event(EventKind.CREATED, body=body))

    def say(self, *events: Event) -> None:
        for event in events:
            self.history.apply(event)

    def asked(
        self, params: Mapping[str, Any], candidate: str | None = None, **why: str | float | bool
    ) -> int:
        index = len(self.history.trials)
        body = {"params": dict(params), "candidate": candidate, "why": why}
        self.say(Event(EventKind.ASKED, index, body=body), Event(EventKind.DISPATCHED, index, 1))
        return index

    def took(self, proposal: Proposal) -> int:
        return self.asked(proposal.params, proposal.candidate, **proposal.why)

    def measured(self, trial: int, value: float, sem: float | None = None, **others: float) -> None:
        body = {"values": {"y": value, **others}, "sem": {} if sem is None else {"y": sem}}
        self.say(Event(EventKind.MEASURED, trial, 1, body=body))

    def replicated(self, trial: int, value: float, sem: float | None = None) -> None:
        body = {"values": {"y": value}, "sem": {} if sem is None else {"y": sem}}
        self.say(Event(EventKind.REPLICATED, trial, 2, body=body))

    def reported(self, trial: int, step: int, value: float) -> None:
        self.say(Event(EventKind.REPORTED, trial, 1, {"step": step, "values": {"y": value}}))

    def ended(self, trial: int, kind: EventKind) -> None:
        self.say(Event(kind, trial, 1))


@pytest.fixture
def tell() -> Callable[..., Story]:
    return Story
