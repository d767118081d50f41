"""Leaving a Ray cluster whose head stands still or cannot be reached, or that is still being started.

Ray waits for such a head without end: in `ray.shutdown`, and when the interpreter ends once more. Nor
can the interpreter end while a thread is left waiting there: it crashes. So the command line ends its
process at once then; a program that uses matscout as a library has to see to that itself.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

_GOODBYE_S = 10.0
"""A head that is well answers in a tenth of a second; a busy one should have its chance."""

_waiting: list[threading.Thread] = []
_broken_off = threading.Event()


def broken_off() -> None:
    """Ray was stopped in the middle of its start: what it has begun dies with this process, and to end
    it in order could take for ever."""
    _broken_off.set()


def say_goodbye(shutdown: Callable[[], None]) -> None:
    """Call `ray.shutdown`, and go on if it takes too long or fails: there is nothing left to lose."""

    def leave() -> None:
        with suppress(Exception):
            shutdown()

    thread = threading.Thread(target=leave, daemon=True)
    _waiting.append(thread)
    thread.start()
    thread.join(_GOODBYE_S)
    if thread.is_alive():
        atexit.unregister(shutdown)


def end_process(code: int) -> NoReturn:
    """As sys.exit, and at once where a goodbye is still being waited for, or none can be said."""
    if _broken_off.is_set() or any(thread.is_alive() for thread in _waiting):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # nobody reads it any more
                stream.flush()
        os._exit(code)
    sys.exit(code)
