"""A bench of promises that is itself interrupted leaves nothing behind: no driver, worker or disk."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

from matscout.cli.promises.promise import Figure, Setting
from matscout.evaluate.process_tree import kill_family, start_guard
from matscout.fleet.environment import environment
from matscout.fleet.pinned import python_path

_MARK = "MATSCOUT_PROMISES"
_NOBODY = -1
"""In place of a leader: what is left is found by its mark alone."""

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP unwind this process as Ctrl-C does, so that whoever
    started something ends it, and it leaves with 128 + the signal's number, as a shell has it. A second
    one ends it at once. Should it be killed, a guard ends what carries its mark.

    Nested ones do nothing.
    """
    if _MARK in os.environ:
        yield
        return
    os.environ[_MARK] = mark = _guarded()
    try:
        with _unwinding():
            yield
    except BaseException:
        kill_family(_NOBODY, f"{_MARK}={mark}")
        raise
    finally:
        del os.environ[_MARK]


def kept_in_order(keep: Callable[[Setting], Figure], setting: Setting) -> Figure:
    """`keep(setting)`, leaving nothing behind."""
    with ending_in_order():
        return keep(setting)


@cache
def _guarded() -> str:
    """The mark of what this process starts. There is one guard, however many promises are played."""
    mark = secrets.token_hex(8)
    with environment({"PYTHONPATH": python_path()}):
        start_guard(os.getpid(), _MARK, mark)
    return mark


@contextmanager
def _unwinding() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    us = os.getpid()

    def unwind(signum: int, frame: FrameType | None) -> None:
        for other in before:
            signal.signal(other, signal.SIG_DFL)
        if os.getpid() != us:  # a fork that has not come to its own answers yet
            os._exit(128 + signum)
        raise SystemExit(128 + signum)

    # What is ignored stays so: under nohup a hangup is no reason to end.
    heeded = [s for s in _SIGNALS if signal.getsignal(s) is not signal.SIG_IGN]
    before = {signum: signal.signal(signum, unwind) for signum in heeded}
    try:
        yield
    finally:
        for signum, answer in before.items():
            signal.signal(signum, answer)
