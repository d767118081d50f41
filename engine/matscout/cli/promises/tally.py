"""Rounds counted: how many kept the promise, and what broke in the first that did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from matscout.cli.promises.promise import Figure
from matscout.errors import one_line


@dataclass
class Tally:
    """Add rounds with `round`; `figure` is what came of them."""

    tried: int = 0
    kept: int = 0
    lost: int = 0
    doubled: int = 0
    first_broken: str = ""
    worst: dict[str, float] = field(default_factory=dict)

    def round(self, name: object, problem: str = "", *, lost: int = 0, doubled: int = 0) -> None:
        """One round, told by `name` (its seed); it kept the promise where there is no `problem`."""
        self.tried += 1
        self.lost += lost
        self.doubled += doubled
        if problem or lost or doubled:
            self.first_broken = self.first_broken or f"{name}: {problem or 'lost or doubled'}"
        else:
            self.kept += 1

    def slowest(self, what: str, seconds: float) -> None:
        """Keep the largest of the figures called `what`."""
        self.worst[what] = max(self.worst.get(what, 0.0), round(seconds, 3))

    def figure(self, done: str, numbers: Mapping[str, float] | None = None) -> Figure:
        """`done`: what was done, in a few words."""
        said = f"{done}; broke first: round {self.first_broken}" if self.first_broken else done
        return Figure(
            self.tried,
            self.kept,
            self.lost,
            self.doubled,
            one_line(said)[:500],
            {**self.worst, **(numbers or {})},
        )
