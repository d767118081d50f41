"""How many seeds of the simulator break a promise: none, or it says which and how to see it again."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from matscout.simulate.simulation import Result, simulate

_BLOCK = 25
_SHOWN = 20


@dataclass(frozen=True)
class Options:
    """`seed`: this one alone. Else 0, 1, … below `seeds`, in `jobs` processes (None: the cores)."""

    seeds: int = 500
    seed: int | None = None
    jobs: int | None = None


def replay(seed: int) -> str:
    """The command that runs a seed again."""
    return f"matscout bench simulate --seed {seed}"


def simulated(options: Options) -> dict[str, Any]:
    """Figures over all seeds: problems by seed, what was met, how sittings ended, seconds."""
    began_s = time.perf_counter()
    met: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    broken: dict[str, list[str]] = {}
    cpu_s, count = 0.0, 0
    for results, seconds in _blocks(options):
        cpu_s += seconds
        for result in results:
            count += 1
            met += result.met
            ends.update(_kind(how) for how in result.sittings)
            if result.problems:
                broken[str(result.seed)] = result.problems
    alone = options.seed is not None
    return {
        "command": replay(options.seed) if options.seed is not None
        else f"matscout bench simulate --seeds {options.seeds}",
        "seeds": count,
        "broken": broken,
        "met": dict(sorted(met.items())),
        "sittings_ended": dict(ends.most_common()),
        **({"sittings": results[0].sittings, "hash": results[0].hash} if alone else {}),
        "cpu_s": round(cpu_s, 1),
        "wall_s": round(time.perf_counter() - began_s, 1),
    }  # fmt: skip


def table(figures: dict[str, Any]) -> str:
    broken = figures["broken"]
    lines = [f"{figures['seeds']} seeds, {len(broken)} with a broken invariant"]
    for seed, problems in list(broken.items())[:_SHOWN]:
        lines.append(f"  {replay(int(seed))}")
        lines += [f"    {problem}" for problem in problems[:_SHOWN]]
    lines += [f"  sitting: {how}" for how in figures.get("sittings", ())]
    lines.append("met: " + ", ".join(f"{n} {what}" for what, n in figures["met"].items()))
    lines.append(f"{figures['cpu_s']} s of CPU, {figures['wall_s']} s")
    return "\n".join(lines)


def _blocks(options: Options) -> Iterator[tuple[list[Result], float]]:
    if options.seed is not None:
        yield _block((options.seed, options.seed + 1))
        return
    blocks = [(n, min(n + _BLOCK, options.seeds)) for n in range(0, options.seeds, _BLOCK)]
    jobs = options.jobs or os.cpu_count() or 1
    if jobs == 1:
        yield from map(_block, blocks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context) as pool:
        yield from pool.map(_block, blocks)


def _block(seeds: tuple[int, int]) -> tuple[list[Result], float]:
    began_s = time.process_time()
    return [simulate(seed) for seed in range(*seeds)], time.process_time() - began_s


def _kind(how: str) -> str:
    """How a sitting ended, without the names and numbers in it."""
    for kind in ("killed", "interrupted", "budget of time", "budget of", "evaluator:"):
        if how.startswith(kind):
            return kind.rstrip(":")
    return "a worker outlived its driver" if "still running" in how else how
