"""A fleet that completes in an order of our choosing, and a small run to put it to work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from matscout.clock import VirtualClock
from matscout.drive.loop import Loop
from matscout.drive.overlap import NextQueue, Think
from matscout.drive.policy import Policy
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Assignment, Kind, Outcome
from matscout.parameter import Float
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Proposal

TARGETS = [{"name": "y", "direction": "min"}]


def value_of(assignment: Assignment) -> Outcome:
    """The sum of the params."""
    y = sum(float(v) for v in assignment.params.values())
    return Outcome(assignment.trial, assignment.attempt, Kind.MEASURED, values={"y": y}, cost_s=1.0)


def by_lot(running: list[Assignment]) -> int:
    """A completion order that depends on what runs and on nothing else."""
    return (7 * sum(a.trial for a in running) + 3) % len(running)


@dataclass
class ScriptedFleet:
    """One outcome a poll, of the attempt that `pick` points at."""

    slots: int = 3
    answer: Callable[[Assignment], Outcome | list[Outcome]] = value_of
    pick: Callable[[list[Assignment]], int] = by_lot
    running: list[Assignment] = field(default_factory=list)
    submitted: list[Assignment] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    acknowledged: list[Outcome] = field(default_factory=list)
    ready: list[Outcome] = field(default_factory=list)
    closed: bool = False

    def submit(self, assignment: Assignment) -> None:
        assert len(self.running) < self.slots, "more submitted than there are slots"
        self.running.append(assignment)
        self.submitted.append(assignment)

    def poll(self, timeout_s: float) -> list[Outcome]:
        if not self.ready and self.running:
            self.running.sort(key=lambda a: a.trial)  # a resume submits in another order
            said = self.answer(self.running.pop(self.pick(self.running)))
            self.ready = said if isinstance(said, list) else [said]
        out, self.ready = self.ready[:1], self.ready[1:]
        return out

    def cancel(self, trial: int) -> None:
        self.cancelled.append(trial)

    def acknowledge(self, outcome: Outcome) -> None:
        self.acknowledged.append(outcome)

    def close(self) -> None:
        self.closed = True


@dataclass
class Counting:
    """Proposes a function of (seed, number of trials, values, pending): the strictest witness."""

    name: str = "counting"

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        known = sum((i + 1) * t.values["y"] for i, t in enumerate(history.completed))
        pending = sum(t.id for t in history.pending)
        start = seed / 2**33 + (known * 1e-3 + pending * 1e-5) % 0.1
        return [Proposal({"x": min(start + i * 1e-7, 1.0)}) for i in range(n)]


@pytest.fixture
def make_loop(folder: RunFolder) -> Callable[..., Loop]:
    """A loop over a new journal in `folder`; keyword arguments replace its parts."""

    def make(**parts: Any) -> Loop:
        if "journal" not in parts:
            journal = parts["journal"] = Journal.create(folder, VirtualClock())
            created = journal.append(Event(EventKind.CREATED, body={"targets": TARGETS}))
            parts["history"] = History(created)
        fleet = parts.setdefault("fleet", ScriptedFleet())
        parts.setdefault("policy", Policy(trials=20, slots=fleet.slots))
        parts.setdefault("space", Space((Float("x", 0, 1),)))
        parts.setdefault("proposer", Counting())
        parts.setdefault("seed", 0)
        parts.setdefault("clock", VirtualClock())
        return Loop(**parts)

    return make


@pytest.fixture
def scripted() -> type[ScriptedFleet]:
    return ScriptedFleet


@pytest.fixture
def counting() -> type[Counting]:
    return Counting


@dataclass
class Late:
    """A thought that is there when it has been looked for `looks` times."""

    work: Callable[[], NextQueue]
    looks: int
    on_look: Callable[[], object]
    said: list[NextQueue] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.said.append(self.work())

    def done(self, within_s: float) -> bool:
        self.on_look()
        self.looks -= 1
        return self.looks < 0

    def result(self) -> NextQueue:
        return self.said[0]

    def drop(self, within_s: float) -> None:
        pass


@pytest.fixture
def late() -> Callable[..., Think]:
    """Thoughts that take so many looks, in turn."""

    def of(*looks: int, on_look: Callable[[], object] = lambda: None) -> Think:
        count = iter(range(10**6))
        return lambda work: Late(work, looks[next(count) % len(looks)], on_look)

    return of
