"""Whether the stated uncertainty is the true one: scores of y (n,) under Gaussians (mean, sd)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Of n held-out measurements; `sharpness` in the target's unit. NaN where n = 0.

    coverage  the share within the central interval of `level`
    area      miscalibration area, 0 (perfect) to 1/2
    """

    n: int
    level: float
    coverage: float
    area: float
    sharpness: float

    @classmethod
    def of(cls, y: ArrayLike, mean: ArrayLike, sd: ArrayLike, level: float = 0.9) -> Calibration:
        return cls(
            len(np.asarray(y)),
            level,
            coverage(y, mean, sd, level),
            miscalibration_area(y, mean, sd),
            sharpness(sd),
        )


def coverage(y: ArrayLike, mean: ArrayLike, sd: ArrayLike, level: float = 0.9) -> float:
    """The share of y within mean ± z sd, the central interval of probability `level`."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"0 < level < 1 must hold, got {level}")
    inside = _central(y, mean, sd) <= level
    return float(inside.mean()) if len(inside) else float("nan")


def miscalibration_area(y: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> float:
    """Integral over p of |share of y within the central interval of p  -  p|.

    Kuleshov, Fenner, Ermon 2018 (section 3.5) draw the curve; the area between it and the diagonal
    is Tran et al. 2020's (section 2.2). The curve is a step function: the integral is exact.
    """
    steps = np.sort(_central(y, mean, sd))
    n = len(steps)
    if not n:
        return float("nan")
    edges = np.concatenate([[0.0], steps, [1.0]])
    share = np.arange(n + 1) / n  # between edges i and i + 1
    return float(np.sum(_area(share, edges[:-1], edges[1:])))


def sharpness(sd: ArrayLike) -> float:
    """Root of the mean variance (Tran et al. 2020, section 2.3): the same coverage with less is
    better. In the unit of sd.
    """
    values = np.asarray(sd, dtype=float)
    if not len(values):
        return float("nan")
    size = float(values.max()) or 1.0  # squares of huge or tiny units would be lost
    return size * float(np.sqrt(np.mean(np.square(values / size))))


def interval(mean: ArrayLike, sd: ArrayLike, level: float = 0.9) -> tuple[Array, Array]:
    """Ends of the central interval, each (n,)."""
    z = NormalDist().inv_cdf(0.5 + 0.5 * level)
    centre, half = np.asarray(mean, dtype=float), z * np.asarray(sd, dtype=float)
    return centre - half, centre + half


def _central(y: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Array:
    """The probability of the smallest central interval that holds each y, (n,)."""
    y, mean, sd = (np.asarray(v, dtype=float) for v in (y, mean, sd))
    if not (y.shape == mean.shape == sd.shape) or y.ndim != 1:
        raise ValueError(f"y, mean and sd must be (n,): {y.shape}, {mean.shape}, {sd.shape}")
    if not (sd > 0).all():
        raise ValueError("every sd must be positive")
    return 1.0 - 2.0 * norm.sf(np.abs((y - mean) / sd))


def _area(share: Array, low: Array, high: Array) -> Array:
    """Integral of |share - p| for p from low to high, elementwise."""

    def half_square(p: Array) -> Array:  # an antiderivative of |share - p|
        return 0.5 * (p - share) * np.abs(p - share)

    return half_square(high) - half_square(low)
