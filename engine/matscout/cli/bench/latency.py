"""How long one recommendation takes from a large pool, and how much memory: beside BayBE.

Ten inputs on a grid of 21 levels each, as settings are (BayBE checks every measured value against
all that its column may have, and never comes to an end with 10,000 of them), 200 measured
candidates, a batch of eight. Every measurement has a process of
its own, because a process never forgets its peak; they are interleaved over the rounds.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matscout.cli.bench.interleaved import interleaved
from matscout.cli.bench.peers import peer as peers
from matscout.cli.bench.told import tell
from matscout.drive.backtest_play import cores
from matscout.drive.run import versions
from matscout.errors import RunFailed, one_line
from matscout.event import Event, EventKind
from matscout.goal import Goal
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.base import Proposer
from matscout.space import Space
from matscout.trial import Target

INPUTS, LEVELS, MEASURED, BATCH = 10, 21, 200, 8
POOLS, LARGE, PEER_POOLS = (2_000, 10_000, 100_000), 1_000_000, (2_000, 10_000)
_TARGET = Target("y", "max")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Task = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Options:
    large: bool = False
    repeats: int = 3
    peer_python: str | None = None
    pools: tuple[int, ...] = POOLS
    peer_pools: tuple[int, ...] = PEER_POOLS

    @property
    def command(self) -> str:
        words = [f"matscout bench latency --repeats {self.repeats}"]
        words += ["--large"] if self.large else []
        words += ["--peer-python PYTHON"] if self.peer_python else []
        return " ".join(words)


def latency(options: Options) -> dict[str, Any]:
    """Seconds and MB of each engine and pool: medians over interleaved rounds, and every round."""
    python = peers.interpreters(options.peer_python).get(peers.BAYBE)
    peer = None if python is None else peers.hello(python)
    ours = (*options.pools, LARGE) if options.large else options.pools
    tasks: dict[str, Task] = {f"matscout {n}": _ours(n) for n in ours}
    if python is not None:
        tasks |= {f"{peers.BAYBE} {n}": _theirs(python, n) for n in options.peer_pools}
    told = {name: _told(name, task) for name, task in tasks.items()}
    rounds = interleaved(told, options.repeats)
    return {
        "command": options.command,
        "inputs": INPUTS,
        "levels": LEVELS,
        "measured": MEASURED,
        "batch": BATCH,
        "cores": os.cpu_count(),
        "threads": {"matscout": _threads(), peers.BAYBE: cores()},
        "versions": versions(),
        "peer": peer,
        "skipped": {} if python else {peers.BAYBE: "no --peer-python"},
        "engines": {
            name: {
                "engine": name.split()[0],
                "pool": int(name.split()[1]),
                **{key: _median(each, key) for key in each[0]},
                "rounds": each,
            }
            for name, each in rounds.items()
        },
    }


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    lines = [
        f"{result['inputs']} inputs, {result['measured']} measured, a batch of {result['batch']}; "
        "seconds (median, and the slowest round) and peak memory of the process:"
    ]
    for one in result["engines"].values():
        parts = [
            f"{key.removesuffix('_s')} {one[key]:.2f}"
            for key in ("cpu_s", "prepare_s", "fit_s", "score_and_pick_s")
            if key in one
        ]
        slowest = max(r["recommend_s"] for r in one["rounds"])
        lines.append(
            f"  {one['engine']:9} pool of {one['pool']:>9,}  {one['recommend_s']:7.2f} s "
            f"(≤ {slowest:.2f})  {one['peak_mb']:6.0f} MB   {', '.join(parts)}"
        )
    lines += [f"  {name}: {why}" for name, why in result["skipped"].items()]
    return "\n".join(lines)


def points(count: int) -> tuple[Any, Any]:
    """(count, 10) inputs in [0, 1] and (MEASURED,) values of the first rows: smooth, with noise."""
    rng = np.random.default_rng(0)
    X = rng.integers(LEVELS, size=(count, INPUTS)) / (LEVELS - 1)
    slopes = rng.normal(size=INPUTS)
    first = X[:MEASURED]
    y = np.sin(3.0 * first @ slopes) + first[:, 0] * first[:, 1]
    return X, y + 0.05 * rng.normal(size=len(y))


def measure(count: int) -> dict[str, float]:
    """In this process: a recommendation from nothing, one more, and the fit alone.

    recommend_s  the first recommendation: the pool's columns are read and scaled, a model fitted,
                 every candidate scored, eight picked
    cpu_s        the processor time of that, of all threads: what a busy machine does not stretch
    prepare_s    what the first needs more than a second one, which knows the pool already
    """
    import torch

    from matscout.propose.pool import PoolProposer
    from matscout.surrogate.gp import GaussianProcess

    X, y = points(count)
    few = _pool(X[: 2 * MEASURED])
    # What a process loads once is no part of a recommendation.
    _seconds(PoolProposer(Goal("top"), startup=1), few, _history(few, y))
    pool, proposer = _pool(X), PoolProposer(Goal("top"), startup=1)
    history = _history(pool, y)
    before = time.process_time()
    first = _seconds(proposer, pool, history)
    used = time.process_time() - before
    again = _seconds(proposer, pool, history)
    start = time.perf_counter()
    inputs, outputs = torch.from_numpy(X[:MEASURED]), torch.from_numpy(y).unsqueeze(-1)
    GaussianProcess().fit(inputs, outputs, torch.full_like(outputs, torch.nan))
    fit = time.perf_counter() - start
    return {
        "recommend_s": first,
        "cpu_s": used,
        "prepare_s": max(first - again, 0.0),
        "fit_s": fit,
        "score_and_pick_s": max(again - fit, 0.0),
        "peak_mb": _peak_mb(),
    }


def _pool(X: Any) -> Pool:
    names = tuple(f"x{j}" for j in range(INPUTS))
    columns = {name: tuple(X[:, j].tolist()) for j, name in enumerate(names)}
    return Pool(tuple(map(str, range(len(X)))), columns, names)


def _history(pool: Pool, y: Any) -> History:
    """The first candidates, measured."""
    history = History()
    history.targets = (_TARGET,)
    for row, value in enumerate(y.tolist()):
        asked = {"params": {}, "candidate": pool.ids[row]}
        history.apply(Event(EventKind.ASKED, row, body=asked))
        history.apply(Event(EventKind.DISPATCHED, row, 1))
        history.apply(Event(EventKind.MEASURED, row, 1, {"values": {_TARGET.name: value}}))
    return history


def _seconds(proposer: Proposer, pool: Pool, history: History) -> float:
    start = time.perf_counter()
    picked = proposer.propose(Space(pool=pool), history, BATCH, seed=0)
    seconds = time.perf_counter() - start
    if len({p.candidate for p in picked}) != BATCH:
        raise RunFailed(f"bench: {len(picked)} picked, {BATCH} different ones were asked for")
    return seconds


def _threads() -> int:
    """One, as the command line has it, unless the environment says otherwise."""
    said = os.environ.get(_THREADS[0], "1")
    return int(said) if said.isdecimal() else 1


def _peak_mb() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _ours(count: int) -> Task:
    def alone() -> dict[str, float]:
        """`measure` in a process of its own."""
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(_threads()))}
        command = [sys.executable, "-m", "matscout.cli.bench.latency", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise RunFailed(f"bench: a pool of {count} ended: {one_line(last)}")
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    return alone


def _theirs(python: str, count: int) -> Task:
    def alone() -> dict[str, float]:
        """The peer in a new process, with its own default number of threads. What it needs to make
        its search space is `prepare_s`, and no part of `recommend_s`."""
        X, y = points(count)
        ids = [str(row) for row in range(count)]
        names = [f"x{j}" for j in range(INPUTS)]
        columns = dict(zip(names, X.T.tolist(), strict=True))
        kinds, peer = dict.fromkeys(names, "number"), peers.Peer(python, threads=None)
        try:
            peer.hello()
            start = time.perf_counter()
            peer("new", ids=ids, columns=columns, kinds=kinds, direction="max", seed=0)
            made = time.perf_counter()
            peer("tell", ids=ids[: len(y)], values=y.tolist())
            before, told = peer("usage"), time.perf_counter()
            peer("ask", n=BATCH, pending=[])
            asked = time.perf_counter()
            after = peer("usage")
        finally:
            peer.close()
        return {
            "recommend_s": asked - told,
            "cpu_s": after["cpu_s"] - before["cpu_s"],
            "prepare_s": made - start,
            "peak_mb": after["peak_mb"],
        }

    return alone


def _told(name: str, task: Task) -> Task:
    """The task, announced where somebody watches: a peer may take minutes."""

    def announced() -> dict[str, float]:
        if sys.stderr.isatty():
            tell(f"{name} …")
        return task()

    return announced


def _median(rounds: Sequence[dict[str, float]], key: str) -> float:
    return round(statistics.median(one[key] for one in rounds), 3)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
