"""Whether processes are alive, and waiting for what must come about."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_LOOK_S = 0.01


def is_alive(pid: int) -> bool:
    """A zombie is dead: it does nothing any more."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def alive(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if is_alive(pid)]


def eventually(true: Callable[[], bool], within_s: float) -> bool:
    """Whether it comes true in time. Looked at again and again: nobody tells."""
    until_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until_s:
            return False
        time.sleep(_LOOK_S)
    return True


def kill(pids: Iterable[int], signum: int) -> None:
    """Signal those that are there."""
    for pid in pids:
        try:
            os.kill(pid, signum)
        except ProcessLookupError:
            continue
