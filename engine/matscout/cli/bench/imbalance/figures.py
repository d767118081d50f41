"""The figures of `bench imbalance`: means over folds, and paired differences to the plain model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from matscout.cli.bench.imbalance.arms import MEASURED
from matscout.drive.nested import over_folds
from matscout.models.metrics import METRICS


def figures(
    own: Sequence[dict[str, float]], plain: Sequence[dict[str, float]] | None, ratio: float
) -> dict[str, Any]:
    """Of the folds' scores: `mean`, `to_plain` (paired) by metric. `ratio`: rows that judge to rows
    that train."""
    found: dict[str, Any] = {}
    for name in MEASURED:
        mine = np.array([fold[name] for fold in own])
        one: dict[str, Any] = {"mean": _short(float(mine.mean()))}
        if plain is not None:
            theirs = np.array([fold[name] for fold in plain])
            one["to_plain"] = paired(mine - theirs, ratio, METRICS[name].sign)
        found[name] = one
    return found


def paired(differences: np.ndarray, ratio: float, sign: float = 1.0) -> dict[str, Any]:
    """Mean of the differences, (n,), one a fold, and its 95 % interval, which allows for folds
    sharing training rows (`over_folds`). `sign`: +1 where more is better, else -1.
    """
    n = len(differences)
    value = float(differences.mean())
    if n < 2 or not math.isfinite(value):
        return {"value": None, "ci95": [None, None], "verdict": "not known"}
    known = over_folds(differences, ratio)
    low, high = known.low, known.high
    verdict = "tie" if low <= 0 <= high else "better" if sign * value > 0 else "worse"
    return {"value": _short(value), "ci95": [_short(low), _short(high)], "verdict": verdict}


def _short(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
