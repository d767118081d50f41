"""All arms with all seeds, over the cores of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from matscout.drive.backtest import RANDOM, Case, Played, ProposerOf

_HERE: list[tuple[Case, ProposerOf]] = []
"""What a worker process plays: set once when it starts."""


def play_all(
    case: Case,
    arms: Sequence[str],
    seeds: Sequence[int],
    proposer_of: ProposerOf,
    jobs: int = 1,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Played]:
    """Every arm with every seed, `random` among them, in the order of arms and seeds: the result
    does not depend on `jobs`, the number of processes. `tell` is told how many are done.
    """
    tasks = [(arm, seed) for arm in dict.fromkeys([RANDOM, *arms]) for seed in seeds]
    done: dict[tuple[str, int], Played] = {}
    for one in _played(case, tasks, proposer_of, min(jobs, len(tasks))):
        done[one.arm, one.seed] = one
        tell(len(done), len(tasks))
    return [done[task] for task in tasks]


def _played(
    case: Case, tasks: Sequence[tuple[str, int]], proposer_of: ProposerOf, jobs: int
) -> Iterator[Played]:
    if jobs <= 1:
        # By seed, so that what depends on the seed alone (the split) is made once.
        for arm, seed in sorted(tasks, key=lambda task: task[1]):
            yield case.play(arm, seed, proposer_of)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start_worker, (case, proposer_of)) as pool:
        futures = [pool.submit(_play, arm, seed) for arm, seed in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # else what waits is played to the end
            raise


def _start_worker(case: Case, proposer_of: ProposerOf) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is the parent's to tell of
    torch.set_num_threads(1)
    _HERE.append((case, proposer_of))


def _play(arm: str, seed: int) -> Played:
    case, proposer_of = _HERE[0]
    return case.play(arm, seed, proposer_of)


def cores() -> int:
    """How many processes this one may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
