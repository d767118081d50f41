"""Where the members of an ensemble are trained: in processes of the driver's own.

An executor maps a pure function over jobs (surrogate/ensemble.py). Where it does so must not be seen
in what comes back: a job has its own seed, and everywhere as many threads sum up as here. So whatever
goes wrong with a worker, the jobs are done here instead, and a resume may use another executor.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from matscout.errors import InputError

Job = TypeVar("Job")
Result = TypeVar("Result")


class Members(Protocol):
    """An executor that holds something, and lets go of it."""

    def __call__(
        self, function: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Sequence[Result]: ...

    def close(self) -> None: ...


class ProcessMembers:
    """Up to `workers` processes, started afresh when the first jobs come, kept until `close`.

    They ignore Ctrl-C, which is the driver's to answer, and end when the driver does, however.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise InputError("run.workers", f"must be at least 1, got {workers}")
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Sequence[Result]:
        """The results in the order of the jobs; the first job's error that has one."""
        if len(jobs) < 2:
            return [function(job) for job in jobs]
        try:
            return list(self._started().map(function, jobs))
        except BrokenProcessPool:  # killed, or out of memory
            self.close()
            return [function(job) for job in jobs]

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, context, _begin, (threads_here(),))
        return self._pool


def threads_here() -> int:
    """How many threads numbers are summed by in this process: sums depend on it."""
    import torch

    return int(torch.get_num_threads())


def with_threads(
    threads: int, function: Callable[[Job], Result], jobs: Sequence[Job]
) -> list[Result]:
    """`function` of each of the jobs, as a process of so many threads has it."""
    import torch

    torch.set_num_threads(threads)
    return [function(job) for job in jobs]


def _begin(threads: int) -> None:
    """What a worker does first."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
