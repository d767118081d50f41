"""What a promise is: a line for people, a test that tries to break it, and what came of the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
PROCESS, RAY = "process", "ray"


@dataclass(frozen=True)
class Setting:
    """Where a promise is put to the test, and how often.

    `folder` is empty and its own. `journal`: "sqlite", or the postgresql:// URL of a server that may
    be written to (it may hold a password: it goes to a child in MATSCOUT_JOURNAL, and nowhere else).
    `fleet`: "process" or "ray". Everything that is drawn is drawn from `seed`.
    """

    folder: Path
    rounds: int
    seed: int = 0
    journal: str = SQLITE
    fleet: str = PROCESS

    @property
    def environment(self) -> dict[str, str]:
        """What a child needs to put its journals there."""
        return {} if self.journal == SQLITE else {"MATSCOUT_JOURNAL": self.journal}

    @property
    def url(self) -> str | None:
        """The same for `Journal.create`; None: a SQLite file."""
        return None if self.journal == SQLITE else self.journal


@dataclass(frozen=True)
class Figure:
    """What came of it: of `tried` rounds `kept` kept the promise.

    `lost` and `doubled` count measurements. `said` tells in one line what was done, and of the first
    round that broke its seed and what broke. `numbers`: further figures by name and unit.
    """

    tried: int
    kept: int
    lost: int = 0
    doubled: int = 0
    said: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return self.tried > 0 and self.kept == self.tried and not self.lost and not self.doubled


@dataclass(frozen=True)
class Promise:
    """`said` is the promise and `test` what is done to it, each in one plain line. `small` rounds fit
    into every change, `full` is the published figure."""

    id: str
    said: str
    test: str
    small: int
    full: int
    keep: Callable[[Setting], Figure]
    journals: tuple[str, ...] = (SQLITE, POSTGRESQL)
    fleets: tuple[str, ...] = (PROCESS,)
