"""Something that is being thought about while the driver goes on.

A thread, not a process. It costs nothing to start where a process loads its libraries for seconds, and
a proposer may hold what does not travel: the run's own workers that train its networks. The price is
Python's lock: while a Gaussian process proposed in the background, a durable commit took 1.1 ms in the
median and 20 ms at the 99th percentile (on two cores); waiting for it would have taken the whole fit.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from matscout.clock import VirtualClock

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_AGAIN_S = 0.1
"""Between two words to a thought to end: it may have swallowed one, as in a callback of C."""


class Thought(Protocol[T_co]):
    """What `work` returns, sooner or later."""

    def done(self, within_s: float) -> bool:
        """Whether it is there, waiting for at most `within_s`."""

    def result(self) -> T_co:
        """What came of it, once it is done; raises what the work raised."""

    def drop(self, within_s: float) -> None:
        """Nobody needs it any more: end it, waiting for at most `within_s`."""


class InThread(Generic[T]):
    """`work()` in a thread of its own."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: T | None = None
        self._raised: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="matscout-thought", daemon=True)
        self._thread.start()

    def done(self, within_s: float) -> bool:
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def result(self) -> T:
        if self._raised is not None:
            raise self._raised
        return self._result  # type: ignore[return-value]

    def drop(self, within_s: float) -> None:
        """Raises SystemExit inside it. A thread that is in native code when the interpreter ends can
        abort the process (with the fit of a Gaussian process it did in 4 of 5 tries)."""
        while self._thread.is_alive() and self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(SystemExit)
            )
            if within_s <= 0:
                return
            self._thread.join(min(_AGAIN_S, within_s))
            within_s -= _AGAIN_S

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._raised = error


class OnClock(Generic[T]):
    """`work()` done at once, of which a virtual clock learns little by little: it is there once
    `takes_s` of its result have passed."""

    def __init__(
        self, work: Callable[[], T], clock: VirtualClock, takes_s: Callable[[T], float]
    ) -> None:
        self._result = work()
        self._clock = clock
        self._there_s = clock.now_s + takes_s(self._result)

    def done(self, within_s: float) -> bool:
        left_s = max(self._there_s - self._clock.now_s, 0.0)
        self._clock.advance(min(left_s, within_s))
        return left_s <= within_s

    def result(self) -> T:
        return self._result

    def drop(self, within_s: float) -> None:
        pass
