"""The honest figures of a recipe: its outer folds taken together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from matscout.drive.nested import Estimate
from matscout.drive.nested import estimate as over
from matscout.drive.recipe_fold import Outside
from matscout.models.metrics import Metric

LEVELS = (0.9, 0.95)


@dataclass(frozen=True)
class Cover:
    """How many hidden targets lay inside the intervals of `level`; `low` and `high` are Clopper &
    Pearson's 95 % interval of that share, `half` the mean half-width."""

    level: float
    share: float
    low: float
    high: float
    half: float


@dataclass(frozen=True)
class Honest:
    """`outer` is what to expect of new rows; `gaps` by how much that beats each rival on the same
    hidden rows (positive: it does), `optimism` by how much the sweeps' own claims were too good.
    """

    metric: Metric
    folds: tuple[Outside, ...]
    outer: Estimate
    inner: Estimate
    optimism: Estimate
    rivals: Mapping[str, Estimate]
    gaps: Mapping[str, Estimate]
    covers: tuple[Cover, ...]


def honest(folds: Sequence[Outside], metric: Metric) -> Honest:
    """Means over the outer folds with Student's 95 % intervals."""
    outer = [f.scores["recipe"] for f in folds]
    names = [n for n in folds[0].scores if n != "recipe" and all(n in f.scores for f in folds)]
    return Honest(
        metric,
        tuple(folds),
        over(outer),
        over([f.inner for f in folds]),
        over([metric.sign * (f.inner - f.scores["recipe"]) for f in folds]),
        {n: over([f.scores[n] for f in folds]) for n in names},
        {n: over([metric.sign * (f.scores["recipe"] - f.scores[n]) for f in folds]) for n in names},
        _covers(folds),
    )


def _covers(folds: Sequence[Outside]) -> tuple[Cover, ...]:
    found = []
    for level in LEVELS:
        halves = [f.half90 if level == LEVELS[0] else f.half for f in folds]
        if not all(map(math.isfinite, halves)):  # classes, or too few rows for the level
            continue
        inside = np.concatenate(
            [
                np.abs(np.subtract(f.truth, f.guess)) <= half
                for f, half in zip(folds, halves, strict=True)
            ]
        )
        hits, n = int(inside.sum()), len(inside)
        low = float(beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0
        high = float(beta.ppf(0.975, hits + 1, n - hits)) if hits < n else 1.0
        found.append(Cover(level, hits / n, low, high, float(np.mean(halves))))
    return tuple(found)
