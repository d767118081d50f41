"""A fleet in the driver's own thread: what runs alone decides what ends next, and with which value.

So the order of completion is the same however often the driver is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from matscout.clock import Clock, VirtualClock
from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen, sit
from matscout.outcome import Assignment, Kind, Outcome
from matscout.propose.base import Proposer
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target

TARGETS = (Target("y", "min"),)

Answer = Callable[[Assignment], Outcome]


def bowl(assignment: Assignment) -> Outcome:
    """Squares of the numbers among the params, about 0.3."""
    numbers = [float(v) for v in assignment.params.values() if not isinstance(v, str)]
    value = sum((number - 0.3) ** 2 for number in numbers)
    return Outcome(assignment.trial, assignment.attempt, Kind.MEASURED, values={"y": value})


@dataclass
class Scripted:
    """One outcome a poll."""

    slots: int = 4
    answer: Answer = bowl
    running: list[Assignment] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)

    def submit(self, assignment: Assignment) -> None:
        assert len(self.running) < self.slots, "more submitted than there are slots"
        self.running.append(assignment)

    def poll(self, timeout_s: float) -> list[Outcome]:
        if not self.running:
            return []
        self.running.sort(key=lambda a: a.trial)  # a resume submits in another order
        lot = (7 * sum(a.trial for a in self.running) + 3) % len(self.running)
        return [self.answer(self.running.pop(lot))]

    def cancel(self, trial: int) -> None:
        self.cancelled.append(trial)

    def acknowledge(self, outcome: Outcome) -> None:
        pass

    def close(self) -> None:
        pass


def made(folder: RunFolder, space: Space, trials: int, slots: int, seed: int) -> RunFolder:
    """A new run of so many trials."""
    policy = Policy(trials=trials, slots=slots)
    create(folder, RunSpec(folder.name, "sweep", space, TARGETS, policy, seed))
    return folder


def driven(
    folder: RunFolder, proposer: Proposer, fleet: Scripted, clock: Clock | None = None
) -> str:
    """One sitting; why it ended."""
    clock = clock or VirtualClock()
    journal, history, spec = reopen(folder, clock)
    try:
        return sit(
            folder,
            journal,
            history,
            spec,
            proposer=proposer,
            start_fleet=lambda: fleet,
            clock=clock,
        )
    finally:
        journal.close()
