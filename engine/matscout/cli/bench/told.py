"""What a benchmark says on the way: to standard error, for its result goes to standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable

from matscout.cli.words import tell

__all__ = ["progress", "tell"]


def progress(what: str) -> Callable[[int, int], None]:
    """Counts on one line of a terminal; says nothing elsewhere."""

    def count(done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            tell(f"\r{what}: {done}/{total} played", end)

    return count
