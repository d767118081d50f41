"""What a history tells a surrogate: rows, values of which more is better, and what is in doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.trial import Measurement, State, Target, Trial

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Observations:
    """`y` (n,) is sign * value: more is better, for minimised targets too. This is the one place
    where a target's direction is used. `yvar` (n,) is the squared standard error, NaN if unknown.

    `believed` have no value to go by, but are not to be proposed near again: they are pending, or
    they ended without one.
    """

    trials: Sequence[Trial]
    y: Array
    yvar: Array
    believed: Sequence[Trial]


def value_of(trial: Trial, target: Target) -> float | None:
    """The mean over the measurement and its replicates; None without any."""
    values = [m.values[target.name] for m in _measurements(trial) if target.name in m.values]
    # Each divided first: the sum of two values near the largest float is infinite.
    return math.fsum(v / len(values) for v in values) if values else None


def variance_of(trial: Trial, target: Target) -> float:
    """The squared standard error of `value_of`, NaN unless every measurement came with its own."""
    sems = [m.sem.get(target.name, math.nan) for m in _measurements(trial)]
    if not sems or not all(sem > 0 for sem in sems):
        return math.nan
    variance = math.fsum(s * s for s in sems) / len(sems) ** 2
    return variance if math.isfinite(variance) else math.nan


def of_pool(history: History, target: Target) -> Observations:
    """Measured candidates are data; every other candidate that was asked for is in doubt.

    A trial of which a person has measured this target, but not yet the others, is data too.
    """
    data = [t for t in history.completed if value_of(t, target) is not None]
    data += [t for t in _partly_measured(history, target) if t.open]
    measured = {t.id for t in data}
    return Observations(
        data,
        target.sign * np.array([value_of(t, target) for t in data], dtype=float),
        np.array([variance_of(t, target) for t in data], dtype=float),
        [t for t in history.trials if t.id not in measured],
    )


def of_space(history: History, target: Target) -> Observations:
    """As `of_pool`, and what went wrong counts as bad: else it would be proposed again nearby.

    A pruned trial was losing when it was stopped: it counts as the worse of its last report and of
    the median of those that were not. A failed or invalid one (a loss of NaN) counts as the worst
    value seen. Bad values are then clipped (`clip_bad`).
    """
    data = of_pool(history, target)
    if not len(data.y):
        return data
    median, worst = float(np.median(data.y)), float(data.y.min())
    trials, values = list(data.trials), data.y.tolist()
    doubted = []
    for trial in data.believed:
        if trial.state is State.PRUNED:
            trials.append(trial)
            values.append(min(median, _last_report(trial, target, default=median)))
        elif trial.state in (State.FAILED, State.INVALID):
            trials.append(trial)
            values.append(worst)
        else:
            doubted.append(trial)
    guessed = np.full(len(trials) - len(data.yvar), np.nan)
    y = clip_bad(np.array(values, dtype=float))
    return Observations(trials, y, np.concatenate([data.yvar, guessed]), doubted)


def clip_bad(y: Array) -> Array:
    """Values no lower than the median minus twice the rms spread of the better half.

    A loss that explodes spans decades and would leave nothing of the scale on which good points
    differ. Only the bad side: a good outlier is what we are here for.
    """
    if len(y) < 2:
        return y
    size = float(np.abs(y).max()) or 1.0
    part = y / size  # squares of values near 1e300 would overflow
    median = float(np.median(part))
    good = part[part >= median]
    spread = math.sqrt(float(np.mean(np.square(good - median))))
    return y if spread == 0.0 else np.maximum(y, size * (median - 2.0 * spread))


def _measurements(trial: Trial) -> list[Measurement]:
    first = [Measurement(trial.values, trial.sem)] if trial.values else []
    return [*first, *trial.replicates]


def _partly_measured(history: History, target: Target) -> list[Trial]:
    """What people have in hand, with the value of this target where they have given it."""
    out = []
    for trial in history.with_person:
        known = history.so_far(trial)
        if target.name in known:
            sem = (
                {target.name: known[f"{target.name}.sem"]} if f"{target.name}.sem" in known else {}
            )
            values = {target.name: known[target.name]}
            out.append(replace(history.trials[trial], values=values, sem=sem))
    return out


def _last_report(trial: Trial, target: Target, default: float) -> float:
    for report in reversed(trial.reports):
        value = report.values.get(target.name)
        if value is not None and math.isfinite(value):
            return target.sign * value
    return default
