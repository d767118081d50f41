"""What a benchmark says on the way: to standard error, for its result goes to standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def progress(what: str) -> Callable[[int, int], None]:
    """Counts on one line of a terminal; says nothing elsewhere."""

    def count(done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{what}: {done}/{total} played", end=end, file=sys.stderr, flush=True)

    return count
