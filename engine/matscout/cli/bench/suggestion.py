"""How long a sweep's suggestion takes as trials add up, beside Optuna's own samplers.

Whole searches of Hartmann6 (six continuous parameters), one trial at a time: every arm is asked and
told as a sweep does it, with the fits that fall due on the way. Seconds of the processor, telling
included, so that what else the machine does is left out.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

from matscout.cli.bench.interleaved import interleaved
from matscout.cli.bench.sweeps.arms import GP, OPTUNA_GP, TPE, Arm, OurArm, made
from matscout.cli.bench.sweeps.play import Timed
from matscout.cli.bench.sweeps.problems.plain import hartmann6
from matscout.cli.bench.sweeps.problems.problem import Problem
from matscout.cli.registry import proposer
from matscout.drive.config import Part
from matscout.drive.run import versions

LAST = 16
"""A figure is of so many suggestions: from 200 trials on the Gaussian process is fitted with every
eighth result only, and two of those suggestions should be among them."""

ARMS: dict[str, Callable[[Problem, int], Arm]] = {
    "gp": lambda problem, seed: made(GP, problem, seed, {}),
    "optuna_gp": lambda problem, seed: made(OPTUNA_GP, problem, seed, {}),
    "tpe": lambda problem, seed: OurArm(proposer(Part(type=TPE)), problem, seed),
    "optuna_tpe": lambda problem, seed: made(TPE, problem, seed, {}),
}

SIZES = {
    "gp": (50, 100, 200),
    "optuna_gp": (50, 100, 200),
    "tpe": (200, 1000),
    "optuna_tpe": (200, 1000),
}
"""Trials after which an arm is looked at: as many as it is usually chosen for."""


def suggestion(repeats: int, sizes: Mapping[str, Sequence[int]] = SIZES) -> dict[str, Any]:
    """Milliseconds of a suggestion by arm and number of trials; round k searches with seed k."""
    seeds = {arm: count() for arm in sizes}

    def searches(arm: str) -> list[float]:
        return asked_s(arm, max(sizes[arm]), next(seeds[arm]))

    found = interleaved({arm: partial(searches, arm) for arm in sizes}, repeats)
    return {
        "command": f"matscout bench suggestion --repeats {repeats}",
        "problem": "hartmann6, one trial at a time",
        "last": LAST,
        "arms": {
            arm: {str(n): _figures([one[n - LAST : n] for one in found[arm]]) for n in at}
            for arm, at in sizes.items()
        },
        "cores": os.cpu_count(),
        "versions": versions(),
    }


def asked_s(arm: str, trials: int, seed: int) -> list[float]:
    """Processor seconds of each suggestion of one search."""
    problem = hartmann6("hartmann6", trials)
    player = Timed(ARMS[arm](problem, seed))
    for trial in range(trials):
        params = player.ask()
        assert params is not None, "a continuous space is never used up"
        player.tell(trial, problem.observed(params, trial, seed))
    return player.ask_s


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    lines = [
        f"{result['problem']}: ms of the processor, the {result['last']} suggestions up to a trial",
        f"  {'':12} trials  median    mean  slowest",
    ]
    for arm, sizes in result["arms"].items():
        for trials, one in sizes.items():
            ms = f"{one['median_ms']:7.1f} {one['mean_ms']:7.1f} {one['slowest_ms']:8.1f}"
            lines.append(f"  {arm:12} {trials:>6} {ms}")
    return "\n".join(lines)


def _figures(rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Over all rounds, and the median of each."""
    every = [1e3 * seconds for one in rounds for seconds in one]
    return {
        "median_ms": round(statistics.median(every), 2),
        "mean_ms": round(statistics.fmean(every), 2),
        "slowest_ms": round(max(every), 2),
        "rounds_median_ms": [round(1e3 * statistics.median(one), 2) for one in rounds],
    }
