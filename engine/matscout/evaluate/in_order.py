"""Do things side by side, and take what comes of them in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    work: Callable[[T], R], items: Iterable[T], threads: int, stop: Callable[[], bool]
) -> Generator[R, None, None]:
    """`work(item)` for each of `items`, `threads` at a time, in the order of the items; no more once
    `stop()` turns true. What was begun ahead is then waited for and dropped, what was not is not.

    So a reader cannot tell how many threads there were but by the time it took.
    """
    left = iter(items)
    if threads == 1:
        for item in left:
            if stop():
                return
            yield work(item)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while not stop():
                # Twice as many wait as work: a slow one at the head leaves no thread idle.
                waiting.extend(
                    pool.submit(work, i) for i in islice(left, 2 * threads - len(waiting))
                )
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
