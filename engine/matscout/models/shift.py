"""How much worse a model is where it has not been: PDR = MAE_OOD / MAE_IID."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DRAWS = 500


@dataclass(frozen=True)
class Degradation:
    """The performance degradation ratio, 1 where nothing is lost, with its 95 % interval; both errors
    in the target's unit.
    """

    pdr: float
    low: float
    high: float
    inside: float
    outside: float


def pdr(
    inside: np.ndarray, outside: np.ndarray, *, paired: bool = False, seed: int = 0
) -> Degradation:
    """Of the errors (prediction - truth) on held-out rows of the training distribution, (n,), and
    beyond it, (m,): another cluster, a tail, a later time. The larger, the more the model depends on
    the property range it was trained on.

    The interval is a percentile bootstrap over rows, of each set alone, or, where both are errors on the
    same rows (`paired`, n = m), of the rows of both together. Raises ValueError for an empty set; the
    ratio is infinite where the model is exact inside.
    """
    a, b = (np.abs(np.asarray(errors, dtype=float)) for errors in (inside, outside))
    if not len(a) or not len(b):
        raise ValueError("both sets need a row")
    if paired and len(a) != len(b):
        raise ValueError(f"paired errors are of the same rows, got {len(a)} and {len(b)}")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    rows = rng.integers(len(a), size=(DRAWS, len(a)))
    below = a[rows].mean(axis=1)
    above = b[rows if paired else rng.integers(len(b), size=(DRAWS, len(b)))].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = above / below
        value = np.divide(b.mean(), a.mean())
    low, high = np.quantile(ratios, (0.025, 0.975)) if np.isfinite(ratios).all() else (np.nan,) * 2
    return Degradation(float(value), float(low), float(high), float(a.mean()), float(b.mean()))
