"""All arms with all seeds, over the cores of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from matscout.drive.backtest import RANDOM
from matscout.errors import RunFailed

_HERE: list[tuple[Playable[Any], Any]] = []
"""What a worker process plays: set once when it starts."""


class Run(Protocol):
    """What came of one arm with one seed."""

    @property
    def arm(self) -> str: ...

    @property
    def seed(self) -> int: ...


R = TypeVar("R", bound=Run)
R_co = TypeVar("R_co", bound=Run, covariant=True)


class Playable(Protocol[R_co]):
    """A campaign (backtest.Case) or a sweep, which travels to worker processes as it is."""

    def play(self, arm: str, seed: int, proposer_of: Any, /) -> R_co: ...


def play_all(
    case: Playable[R],
    arms: Sequence[str],
    seeds: Sequence[int],
    proposer_of: Any,
    jobs: int = 1,
    tell: Callable[[int, int], None] = lambda done, total: None,
    *,
    always: Sequence[str] = (RANDOM,),
) -> list[R]:
    """Every arm with every seed, those that play `always` first, in the order of arms and seeds: the
    result does not depend on `jobs`, the number of processes. `tell` is told how many are done.
    `proposer_of` is what `case.play` makes an arm's proposer with.
    """
    tasks = [(arm, seed) for arm in dict.fromkeys([*always, *arms]) for seed in seeds]
    done: dict[tuple[str, int], R] = {}
    for one in _played(case, tasks, proposer_of, min(jobs, len(tasks))):
        done[one.arm, one.seed] = one
        tell(len(done), len(tasks))
    return [done[task] for task in tasks]


def _played(
    case: Playable[R], tasks: Sequence[tuple[str, int]], proposer_of: Any, jobs: int
) -> Iterator[R]:
    if jobs <= 1:
        # By seed, so that what depends on the seed alone (the split) is made once.
        for arm, seed in sorted(tasks, key=lambda task: task[1]):
            yield case.play(arm, seed, proposer_of)
        return
    context, others = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(jobs, context, _start_worker, (case, proposer_of)) as pool:
        with _deaf_to_interrupts():
            futures = [pool.submit(_play, arm, seed) for arm, seed in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise RunFailed(
                "a process that played has died (out of memory?); take fewer jobs"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()  # else what it plays is played to the end
            raise


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started within ignores Ctrl-C, from its first moment: only we tell of one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _start_worker(case: Playable[Any], proposer_of: Any) -> None:
    import torch

    torch.set_num_threads(1)
    _HERE.append((case, proposer_of))


def _play(arm: str, seed: int) -> Any:
    case, proposer_of = _HERE[0]
    return case.play(arm, seed, proposer_of)


def cores() -> int:
    """How many processes this one may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
