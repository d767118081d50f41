"""The figures of `bench sweeps`: of each arm on a problem, and over problems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matscout.cli.bench.campaigns.figures import compared, plain
from matscout.cli.bench.sweeps.arms import GP, OPTUNA_GP, RANDOM, TPE
from matscout.cli.bench.sweeps.play import Swept
from matscout.drive.backtest_paired import LEVEL, RESAMPLES, over

FLOOR = 1e-8
"""Below it, regrets count as this: a geometric mean must not hang on how many digits an optimum is
known to."""

AT = (25, 50, 100)
"""Per cent of the budget."""

OTHERS = (RANDOM, TPE, OPTUNA_GP, GP)
"""With which every arm is compared, where they play."""

Array = NDArray[np.float64]
Result = dict[str, Any]


def each_arm(swept: Sequence[Swept], budget: int, horizon_s: float | None, noisy: bool) -> Result:
    """By arm: what is its own. `horizon_s`: also at these per cents of that time."""
    runs: dict[str, list[Swept]] = {}
    for one in sorted(swept, key=lambda one: one.seed):
        runs.setdefault(one.arm, []).append(one)
    cuts = {"trials": {arm: _at_trials(them, budget) for arm, them in runs.items()}}
    if horizon_s is not None:
        cuts["time"] = {arm: _at_time(them, horizon_s) for arm, them in runs.items()}
    out: Result = {}
    for arm, them in runs.items():
        basins = [one.basin for one in them if one.basin]
        out[arm] = {
            **_curves(them, timed=horizon_s is not None),
            **{by: _figures(regrets[arm]) for by, regrets in cuts.items()},
            "best_at_end": _short([one.best[-1] for one in them]) if noisy else [],
            "basins": {name: basins.count(name) for name in sorted(set(basins))},
            "asked": [len(one.regret) for one in them],
            "ask_s": {
                "median": plain(float(np.median(np.concatenate([one.ask_s for one in them])))),
                "total": [plain(round(sum(one.ask_s), 3)) for one in them],
            },
        }
    return out


def means(problems: Mapping[str, Result]) -> Result:
    """Over all problems, and over those of each kind if there are two: of arms that played all of
    them. Every problem counts alike. Two intervals: `ci95` draws seeds anew within each problem
    (what these problems say), `ci95_problems` draws problems (what others might)."""
    kinds = dict.fromkeys(one["kind"] for one in problems.values())
    groups = {"all": list(problems)}
    groups |= {kind: [n for n, one in problems.items() if one["kind"] == kind] for kind in kinds}
    return {
        group: _mean([problems[n] for n in names], names)
        for group, names in groups.items()
        if len(names) > 1 and not (group != "all" and len(names) == len(problems))
    }


def _mean(problems: Sequence[Result], names: Sequence[str]) -> Result:
    arms = [a for a in problems[0]["arms"] if all(a in one["arms"] for one in problems)]
    ranks = {arm: [_rank(one["arms"], arms, arm) for one in problems] for arm in arms}
    return {
        "problems": list(names),
        "arms": {
            arm: {
                "trials": {f"{at}": _over(problems, arm, arms, at) for at in AT},
                "median_rank": float(np.median(ranks[arm])),
            }
            for arm in arms
        },
    }


def _over(problems: Sequence[Result], arm: str, arms: Sequence[str], at: int) -> Result:
    ours = [_per_seed(one, arm, at) for one in problems]
    out: Result = {"geomean": plain(geomean([geomean(each) for each in ours])), "vs": {}}
    for other in OTHERS:
        if other == arm or other not in arms:
            continue
        parts = [
            np.log(mine) - np.log(_per_seed(one, other, at))
            for mine, one in zip(ours, problems, strict=True)
        ]
        out["vs"][other] = {
            **compared(over(parts, ratio=True, less=True), True),
            "ci95_problems": _between(np.array([part.mean() for part in parts])),
        }
    return out


def _between(each: Array) -> list[float | None]:
    """The interval of the mean of logs `each` (problems,), problems drawn anew."""
    drawn = np.random.default_rng(0).integers(len(each), size=(RESAMPLES, len(each)))
    tail = (100 - LEVEL) / 2
    return [plain(math.exp(v)) for v in np.percentile(each[drawn].mean(axis=1), [tail, 100 - tail])]


def _rank(found: Result, arms: Sequence[str], arm: str) -> float:
    """1 is the best of `arms` at the end; equals share the mean of their ranks."""
    ends = {name: found[name]["trials"]["100"]["geomean"] for name in arms}
    below = sum(value < ends[arm] for value in ends.values())
    return below + (sum(value == ends[arm] for value in ends.values()) + 1) / 2


def _per_seed(one: Result, arm: str, at: int) -> Array:
    return np.array(one["arms"][arm]["trials"][f"{at}"]["per_seed"], dtype=float)


def paired(arms: Mapping[str, Result]) -> Result:
    """`arms`, each compared with the others seed by seed. They may have played on different days: what
    trial number k says is the same for all."""
    return {arm: {**one, **_versus(arms, arm)} for arm, one in arms.items()}


def _versus(arms: Mapping[str, Result], arm: str) -> Result:
    others = [other for other in OTHERS if other in arms and other != arm]
    return {
        by: {
            at: {**figure, "vs": {o: _compared(figure, arms[o][by][at]) for o in others}}
            for at, figure in arms[arm][by].items()
        }
        for by in ("trials", "time")
        if by in arms[arm]
    }


def _compared(mine: Result, theirs: Result) -> Result:
    logs = [np.log(np.array(one["per_seed"], dtype=float)) for one in (mine, theirs)]
    return compared(over([logs[0] - logs[1]], ratio=True, less=True), True)


def _figures(regrets: Array) -> Result:
    """Of one arm; `regrets` (seeds, len(AT))."""
    return {
        f"{at}": {
            "geomean": plain(geomean(regrets[:, place])),
            "median": plain(float(np.median(regrets[:, place]))),
            "per_seed": [plain(v) for v in regrets[:, place]],
        }
        for place, at in enumerate(AT)
    }


def _curves(them: Sequence[Swept], timed: bool) -> Result:
    """Where each curve changes: `after` how many trials, the regret from then on, when that was."""
    places = [_changes(one) for one in them]
    pairs = list(zip(them, places, strict=True))
    return {
        "after": [[place + 1 for place in those] for those in places],
        "regret": [_short([one.regret[place] for place in those]) for one, those in pairs],
        "at_s": [_short([one.at_s[place] for place in those], 7) for one, those in pairs]
        if timed
        else [],
    }


def _changes(one: Swept) -> list[int]:
    """The places at which the curve has another regret than before, and its end."""
    last = len(one.regret) - 1
    return [*(i for i in range(last) if i == 0 or one.regret[i] != one.regret[i - 1]), last]


def _at_trials(them: Sequence[Swept], budget: int) -> Array:
    """(seeds, len(AT)) floored. A space that was exhausted early keeps its last regret."""
    places = [max(1, math.ceil(at * budget / 100)) for at in AT]
    return np.array(
        [[max(one.regret[min(p, len(one.regret)) - 1], FLOOR) for p in places] for one in them]
    )


def _at_time(them: Sequence[Swept], horizon_s: float) -> Array:
    """(seeds, len(AT)) floored; before the first trial has ended, the regret that it will have."""
    out = []
    for one in them:
        ends = np.searchsorted(one.at_s, [at * horizon_s / 100 for at in AT], side="right")
        out.append([max(one.regret[max(int(end), 1) - 1], FLOOR) for end in ends])
    return np.array(out)


def geomean(values: Sequence[float] | Array) -> float:
    return float(np.exp(np.log(values).mean()))


def _short(numbers: Sequence[float], digits: int = 4) -> list[float | None]:
    return [float(f"{v:.{digits}g}") if math.isfinite(v) else None for v in numbers]
