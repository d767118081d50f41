"""Where a model fails: its score in each subgroup of the rows, the weakest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matscout.models.breakdown import decile_of
from matscout.models.metrics import Metric

LEAST = 5
"""Rows of a subgroup that is judged. Fewer say nothing of a model."""

DRAWS = 200

Groups = Mapping[str, np.ndarray]
"""Row numbers by the name of a subgroup. A row may be in several, or in none."""


@dataclass(frozen=True)
class GroupScore:
    """`value` of the metric over the `count` rows of `group`, its 95 % interval, and `ratio` to the
    value over all rows (NaN where that is 0 or has another sign).
    """

    kind: str
    group: str
    count: int
    value: float
    low: float
    high: float
    ratio: float


def by_subgroup(
    truth: np.ndarray,
    guess: np.ndarray,
    kinds: Mapping[str, Groups],
    metric: Metric,
    *,
    least: int = LEAST,
    seed: int = 0,
) -> list[GroupScore]:
    """Every subgroup of `least` rows or more of every kind (class, decile, element, …), for `truth`
    and `guess` (n,), as `metric` sees them. Weakest first: by the end of the interval that is kind to
    the model, so that a few unlucky rows do not come before a subgroup that is surely bad.

    Intervals are percentile bootstraps over the rows of the subgroup, at most 200 draws; the many
    subgroups are not corrected for. A metric that says nothing of a subgroup (a ranking of one class)
    leaves it out.
    """
    whole = metric.score(truth, guess)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    found = []
    for kind, groups in kinds.items():
        for name, rows in groups.items():
            if len(rows) < least:
                continue
            value = metric.score(truth[rows], guess[rows])
            if not np.isfinite(value):
                continue
            drawn = rows[rng.integers(len(rows), size=(DRAWS, len(rows)))]
            values = _scores(metric, truth[drawn], guess[drawn])
            values = values[np.isfinite(values)]
            low, high = np.quantile(values, (0.025, 0.975)) if len(values) else (np.nan, np.nan)
            ratio = value / whole if value * whole > 0 else float("nan")
            found.append(GroupScore(kind, name, len(rows), value, float(low), float(high), ratio))
    if metric.direction == "min":
        return sorted(found, key=lambda one: (-one.low, -one.value, one.kind, one.group))
    return sorted(found, key=lambda one: (one.high, one.value, one.kind, one.group))


def _scores(metric: Metric, truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """(draws,) values of the metric for (draws, m); at once where it is a mean over rows, which is
    much the faster."""
    if metric.name == "mae":
        return np.asarray(np.abs(truth - guess).mean(axis=1))
    if metric.name == "rmse":
        return np.asarray(np.sqrt(np.square(truth - guess).mean(axis=1)))
    if metric.name == "accuracy":
        return np.asarray((truth == guess).mean(axis=1))
    return np.array([metric.score(t, g) for t, g in zip(truth, guess, strict=True)])


def classes(truth: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """By true class; `truth` holds places in `names`."""
    return {name: np.flatnonzero(truth == place) for place, name in enumerate(names)}


def deciles(truth: np.ndarray) -> dict[str, np.ndarray]:
    """By tenth of the target, `decile_1` the lowest."""
    place = decile_of(truth)
    return {f"decile_{k + 1}": np.flatnonzero(place == k) for k in np.unique(place).tolist()}


def labels(values: Sequence[object] | np.ndarray) -> dict[str, np.ndarray]:
    """By the text of a column; a missing one ("" or None) is in no subgroup."""
    texts = np.array(["" if value is None else str(value) for value in values])
    return {name: np.flatnonzero(texts == name) for name in np.unique(texts).tolist() if name}


def elements(formulas: Sequence[str]) -> dict[str, np.ndarray]:
    """By element that a formula has in it: a row is in as many subgroups as it has elements."""
    found: dict[str, list[int]] = {}
    for row, names in enumerate(map(_elements, formulas)):
        for name in names:
            found.setdefault(name, []).append(row)
    return {name: np.array(rows) for name, rows in sorted(found.items())}


def chemical_systems(formulas: Sequence[str]) -> dict[str, np.ndarray]:
    """By the set of elements, joined by hyphens in alphabetical order."""
    return labels(["-".join(sorted(_elements(formula))) for formula in formulas])


def _elements(formula: str) -> list[str]:
    from matscout.data.formula import amounts, symbol

    return [symbol(z) for z, _ in amounts(formula)] if formula else []
