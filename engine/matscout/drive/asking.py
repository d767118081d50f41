"""Putting the question: what next, of this history. Blocking or in the background, it is the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matscout.clock import Clock
from matscout.drive.policy import Policy
from matscout.drive.queue import asked_body
from matscout.history import History
from matscout.propose.base import Proposer
from matscout.seeds import ask_seed
from matscout.space import Space
from matscout.trial import Proposal


@dataclass(frozen=True)
class Answer:
    """What a proposer called `proposer` said, in `ask_s` seconds. Nothing: all has been asked for."""

    proposals: Sequence[Proposal] = ()
    proposer: str = ""
    ask_s: float = 0.0

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Of the `asked` events that make trials of it; each took its share of the time."""
        share = round(self.ask_s / max(len(self.proposals), 1), 6)
        return [asked_body(p, self.proposer, share) for p in self.proposals]


@dataclass(frozen=True)
class Asking:
    """Who is asked, and what about. Holds nothing that changes: an answer is a function of the history,
    its place in the run and the run's seed."""

    space: Space
    proposer: Proposer
    policy: Policy
    seed: int
    clock: Clock
    stop: Callable[[History], str] | None = None

    def ask(self, history: History, count: int) -> Answer:
        """Up to `count` proposals."""
        before = self.clock.monotonic()
        seed = ask_seed(self.seed, len(history.trials))
        proposals = self.proposer.propose(self.space, history, count, seed=seed)
        return Answer(proposals, self.proposer.name, self.clock.monotonic() - before)

    def enough(self, history: History) -> str:
        """Why nothing more should be asked for, or an empty text."""
        return self.stop(history) if self.stop is not None else ""
