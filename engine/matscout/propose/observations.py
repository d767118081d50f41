"""What a history tells a surrogate: rows, values of which more is better, and what is in doubt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.propose.replicates import measurements, point_of, pooled
from matscout.trial import State, Target, Trial

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Singles:
    """Every measurement by itself: `row` (m,) says whose it is, `y`, `yvar` (m,) as in Observations."""

    row: NDArray[np.int64]
    y: Array
    yvar: Array


@dataclass(frozen=True)
class Observations:
    """One row for each point that was measured, however often and in however many trials.

    `y` (n,) is sign * value: more is better, for minimised targets too. This is the one place
    where a target's direction is used. `yvar` (n,) is the squared standard error, NaN if unknown;
    `singles` are the measurements that the rows are means of.

    `believed` have no value to go by, but are not to be proposed near again: they are pending, or
    they ended without one.
    """

    trials: Sequence[Trial]
    y: Array
    yvar: Array
    believed: Sequence[Trial]
    singles: Singles

    @property
    def replicated(self) -> bool:
        """Whether a row is the mean of several measurements."""
        return len(self.singles.y) > len(self.y)

    def only(self, rows: Sequence[int]) -> Observations:
        """Without the other rows; `rows` increase."""
        keep = np.isin(self.singles.row, rows)
        row = np.searchsorted(rows, self.singles.row[keep])
        return replace(
            self,
            trials=[self.trials[i] for i in rows],
            y=self.y[rows],
            yvar=self.yvar[rows],
            singles=Singles(row, self.singles.y[keep], self.singles.yvar[keep]),
        )


def value_of(trial: Trial, target: Target) -> float | None:
    """The mean over the measurement and its replicates; None without any."""
    values = _values(trial, target)
    # Each divided first: the sum of two values near the largest float is infinite.
    return math.fsum(v / len(values) for v in values) if values else None


def variance_of(trial: Trial, target: Target) -> float:
    """The squared standard error of `value_of`, NaN unless every measurement came with its own."""
    sems = _sems(trial, target)
    if not sems or not all(sem > 0 for sem in sems):
        return math.nan
    variance = math.fsum(s * s for s in sems) / len(sems) ** 2
    return variance if math.isfinite(variance) else math.nan


def sem_of(trial: Trial, target: Target) -> float:
    """The standard error of `value_of` to show a person: from the measurements' own, else from the
    spread of replicates (their sd / √n); NaN for a lone value without one. Not for a model: two
    values that chance to agree would count as exact.
    """
    given, values = math.sqrt(variance_of(trial, target)), _values(trial, target)
    if not math.isnan(given) or len(values) < 2:
        return given
    size = max(map(abs, values)) or 1.0  # squares of values near 1e300 would overflow
    return size * float(np.std(np.array(values) / size, ddof=1)) / math.sqrt(len(values))


def count_of(trial: Trial, target: Target) -> int:
    """How many measurements `value_of` is the mean of."""
    return len(_values(trial, target))


def feasible(history: History, trial: Trial) -> bool:
    """Whether the means over the measurements of a completed trial keep every limit of the run."""
    return all(limit.keeps(value_of(trial, Target(limit.name))) for limit in history.limits)


def feasible_trials(history: History) -> list[Trial]:
    """The completed trials of points that are feasible. One lucky measurement makes no point so."""
    if not history.limits:
        return list(history.completed)
    kept = {point_of(t) for t in pooled(history.completed) if feasible(history, t)}
    return [t for t in history.completed if point_of(t) in kept]


def best_of(history: History, target: Target | None = None) -> Trial | None:
    """The feasible point with the best mean over all its measurements, as one trial; the earliest
    of equals."""
    chosen = target or history.targets[0]
    points = [t for t in pooled(history.completed) if feasible(history, t)]
    known = [t for t in points if value_of(t, chosen) is not None]
    return max(known, key=lambda t: chosen.sign * (value_of(t, chosen) or 0.0), default=None)


def of_pool(history: History, target: Target, ended: int | None = None) -> Observations:
    """Measured candidates are data; every other candidate that was asked for is in doubt, and so is
    one that is being measured again.

    A trial of which a person has measured this target, but not yet the others, is data too. With
    `ended`, only those of the first so many trials that ended are.
    """
    told = [t for t in history.completed if value_of(t, target) is not None]
    told += [t for t in _partly_measured(history, target) if t.open]
    told = [t for t in told if _among(t, ended)]
    used, data = {t.id for t in told}, pooled(told)
    known = {point_of(t) for t in data}
    return Observations(
        data,
        target.sign * np.array([value_of(t, target) for t in data], dtype=float),
        np.array([variance_of(t, target) for t in data], dtype=float),
        [t for t in history.asked_for if t.id not in used and (t.open or point_of(t) not in known)],
        _singles(data, target),
    )


def of_space(history: History, target: Target, ended: int | None = None) -> Observations:
    """As `of_pool`, and what went wrong counts as bad: else it would be proposed again nearby.

    A pruned trial was losing when it was stopped: it counts as the worse of its last report and of
    the median of those that were not. A failed or invalid one (a loss of NaN) counts as the worst
    value seen. Bad values are then clipped (`clip_bad`).
    """
    data = of_pool(history, target, ended)
    if not len(data.y):
        return data
    worst = float(data.y.min())
    wrong = [t for t in data.believed if t.state in (State.FAILED, State.INVALID)]
    guesses = {t.id: worst for t in wrong if _among(t, ended)}
    whole = _guessed(data, guesses | _of_pruned(data, target, ended))
    floor = _floor(whole.y)
    singles = replace(whole.singles, y=np.maximum(whole.singles.y, floor))
    return replace(whole, y=np.maximum(whole.y, floor), singles=singles)


def with_pruned(data: Observations, target: Target, ended: int | None = None) -> Observations:
    """`data` and the pruned trials: each counts as the worse of its last report and of the median of
    those that were not pruned."""
    return _guessed(data, _of_pruned(data, target, ended)) if len(data.y) else data


def _of_pruned(data: Observations, target: Target, ended: int | None) -> dict[int, float]:
    median = float(np.median(data.y))
    pruned = [t for t in data.believed if t.state is State.PRUNED and _among(t, ended)]
    return {t.id: min(median, _last_report(t, target, default=median)) for t in pruned}


def _guessed(data: Observations, guesses: Mapping[int, float]) -> Observations:
    """`data` with the believed trials of these ids as rows of these values, in their own order."""
    told = [t for t in data.believed if t.id in guesses]
    guess = np.array([guesses[t.id] for t in told], dtype=float)
    n, unknown = len(data.y), np.full(len(told), np.nan)
    alone = data.singles
    return Observations(
        [*data.trials, *told],
        np.concatenate([data.y, guess]),
        np.concatenate([data.yvar, unknown]),
        [t for t in data.believed if t.id not in guesses],
        Singles(
            np.concatenate([alone.row, np.arange(n, n + len(told))]),
            np.concatenate([alone.y, guess]),
            np.concatenate([alone.yvar, unknown]),
        ),
    )


def clip_bad(y: Array) -> Array:
    """Values no lower than the median minus twice the rms spread of the better half.

    A loss that explodes spans decades and would leave nothing of the scale on which good points
    differ. Only the bad side: a good outlier is what we are here for.
    """
    return np.maximum(y, _floor(y))


def _floor(y: Array) -> float:
    """What `clip_bad` lifts values to; minus infinity where they have no spread."""
    if len(y) < 2:
        return -math.inf
    size = float(np.abs(y).max()) or 1.0
    part = y / size  # squares of values near 1e300 would overflow
    median = float(np.median(part))
    good = part[part >= median]
    spread = math.sqrt(float(np.mean(np.square(good - median))))
    return -math.inf if spread == 0.0 else size * (median - 2.0 * spread)


def _among(trial: Trial, ended: int | None) -> bool:
    """Whether it is one of the first so many that ended."""
    return ended is None or (trial.finished is not None and trial.finished < ended)


def _values(trial: Trial, target: Target) -> list[float]:
    return [m.values[target.name] for m in measurements(trial) if target.name in m.values]


def _sems(trial: Trial, target: Target) -> list[float]:
    """One for each of `_values`, NaN if unknown."""
    known = [m for m in measurements(trial) if target.name in m.values]
    return [m.sem.get(target.name, math.nan) for m in known]


def _singles(data: Sequence[Trial], target: Target) -> Singles:
    values = [_values(t, target) for t in data]
    row = np.repeat(np.arange(len(data)), [len(v) for v in values])
    sems = np.array([sem for t in data for sem in _sems(t, target)], dtype=float)
    with np.errstate(over="ignore"):
        yvar = np.where(sems > 0, np.square(sems), np.nan)
    yvar[~np.isfinite(yvar)] = np.nan
    flat = np.array([v for part in values for v in part], dtype=float)
    return Singles(row.astype(np.int64), target.sign * flat, yvar)


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
