"""Ctrl-C and SIGTERM as a request that the loop reads, not an exception that strikes anywhere."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """`level` is 0, 1 (stop, in order) or 2 (leave now)."""

    def __init__(self) -> None:
        self.level = 0
        self._strikes = False

    def press(self, signum: int = 0, frame: FrameType | None = None) -> None:
        self.level = min(self.level + 1, 2)
        if self._strikes:
            raise KeyboardInterrupt

    @contextmanager
    def striking(self) -> Iterator[None]:
        """While nothing is at work yet there is nothing to leave in order: KeyboardInterrupt breaks off
        what is waited for here, which may take long (Ray, a cluster that does not answer)."""
        self._strikes = True
        try:
            if self.level:
                raise KeyboardInterrupt
            yield
        finally:
            self._strikes = False


@contextmanager
def listening(interrupt: Interrupt) -> Iterator[Interrupt]:
    """Route SIGINT and SIGTERM to `interrupt` while the block runs (main thread only)."""
    before = {s: signal.signal(s, interrupt.press) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
