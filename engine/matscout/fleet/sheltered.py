"""A moment in which SIGTERM has to wait."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sheltered() -> Iterator[None]:
    """SIGTERM does what it does only when the block is over. Nothing changes outside the main thread,
    which alone may ask for that, nor where the answer to the signal is not Python's to put back.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if main else None
    if before is None:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, frame: came.append(signum))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        for signum in came:
            os.kill(os.getpid(), signum)
