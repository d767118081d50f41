"""Who answers SIGTERM while Ray starts and ends in this process: whoever did before.

Ray puts an answer of its own in Python's place when it starts, which ends the driver, and one in C++,
which prints a trace; when it ends, C++ leaves the system's own there, which is death.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import ray

_AGAIN_S = 0.005


def while_answering(work: Callable[[], None]) -> None:
    """Call `work`, which ends Ray in a second or two, in a thread; meanwhile the answer to SIGTERM is
    put back every few milliseconds, for C++ takes it away at some moment. (Only a main thread may.)
    """
    answer = signal.getsignal(signal.SIGTERM)
    if answer is None or threading.current_thread() is not threading.main_thread():
        work()
        return
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        while not wait([done], _AGAIN_S).done:
            signal.signal(signal.SIGTERM, answer)
    done.result()


@contextmanager
def own_sigterm() -> Iterator[None]:
    """Not put back afterwards only: Ray takes seconds to start, and would end who is signalled then."""
    utils = ray._private.utils
    rays, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = rays
        answer = signal.getsignal(signal.SIGTERM)
        if answer is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, answer)  # Python still believes that it is there
