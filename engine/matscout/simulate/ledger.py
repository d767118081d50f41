"""What the laboratory itself knows: kept beside the engine, and never asked by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from matscout.fleet.outbox import Outbox
from matscout.outcome import Kind, Outcome
from matscout.runfolder import RunFolder

Attempt = tuple[int, int]
"""(trial, attempt)."""


@dataclass
class Ledger:
    """begun: how often each attempt (or part of it) was begun at a bench. durable: what stood in the
    outbox, whole, at any time. acknowledged: what the driver said was safe with it. lies: second
    words that differ from the first. heard_s: when the driver last got a word of an attempt, or gave
    it out. by_person: the values that people brought, by trial. problems: what was seen to be wrong.
    """

    begun: Counter[tuple[int, ...]] = field(default_factory=Counter)
    durable: dict[Attempt, Outcome] = field(default_factory=dict)
    acknowledged: dict[Attempt, Outcome] = field(default_factory=dict)
    lies: set[Attempt] = field(default_factory=set)
    heard_s: dict[Attempt, float] = field(default_factory=dict)
    by_person: dict[int, set[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def say(self, what: str) -> None:
        if what not in self.problems:
            self.problems.append(what)

    def attempts_begun(self) -> set[Attempt]:
        return {(key[0], key[1]) for key in self.begun}

    def look(self, folder: RunFolder) -> None:
        """Note what stands in the outbox."""
        for path in folder.outbox.glob("trial-*.json"):
            trial, attempt = (int(word) for word in path.stem.split("-")[1:])
            if (trial, attempt) not in self.durable:
                found = Outbox(folder.outbox).read(trial, attempt)
                if found is not None:
                    self.durable[trial, attempt] = found

    def acknowledge(self, outcome: Outcome) -> None:
        """The driver says that an outcome is safe with it. Of two the first counts: not the lie."""
        if outcome.ends_attempt:
            self.acknowledged.setdefault((outcome.trial, outcome.attempt), outcome)

    def results(self) -> dict[Attempt, Outcome]:
        """Every measurement that must not be lost: it was acknowledged, or durable in an outbox."""
        both = self.acknowledged | self.durable
        return {key: o for key, o in both.items() if o.kind is Kind.MEASURED}
