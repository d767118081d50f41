"""What a random order of the very same measurements would have shown, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BAND = (0.05, 0.95)
"""Nine in ten random orders lie inside."""


@dataclass(frozen=True)
class Band:
    """After `steps` (k,) measurements: mean, median and the bounds of nine in ten random orders."""

    steps: NDArray[np.int64]
    mean: Array
    median: Array
    low: Array
    high: Array


def best_so_far(y: Array, steps: NDArray[np.int64]) -> Band:
    """The largest of the first t of y (n,) in random order, for each t of `steps` (k,), 1 ≤ t ≤ n.

    Drawing without replacement, P(max ≤ j-th smallest) = C(j, t) / C(n, t).
    """
    ordered = np.sort(y)
    n = len(ordered)
    rank = np.arange(1, n + 1)
    mean, median, low, high = (np.empty(len(steps)) for _ in range(4))
    for i, t in enumerate(steps.tolist()):
        below = _at_most(rank, n, t)  # (n,) P(max ≤ ordered[j])
        mean[i] = float(np.diff(below, prepend=0.0) @ ordered)
        median[i], low[i], high[i] = (ordered[_quantile(below, q)] for q in (0.5, *BAND))
    return Band(steps, mean, median, low, high)


def found_so_far(n: int, finds: int, steps: NDArray[np.int64]) -> Band:
    """How many of `finds` are among the first t of n in random order: hypergeometric."""
    from scipy.stats import hypergeom

    lot = hypergeom(n, finds, steps)
    median, low, high = (np.asarray(lot.ppf(q), dtype=float) for q in (0.5, *BAND))
    mean = steps.astype(np.float64) * (finds / n)
    return Band(steps, mean, median, low, high)


def thinned(n: int, most: int = 200) -> NDArray[np.int64]:
    """1 … n, or about `most` of them, evenly, with both ends."""
    if n <= most:
        return np.arange(1, n + 1)
    return np.unique(np.linspace(1, n, most).round().astype(np.int64))


def _at_most(rank: NDArray[np.int64], n: int, t: int) -> Array:
    """C(rank, t) / C(n, t), 0 where rank < t."""
    from scipy.special import gammaln

    out = np.zeros(len(rank))
    able = rank >= t
    r = rank[able].astype(float)
    log = gammaln(r + 1) - gammaln(r - t + 1) - (gammaln(n + 1) - gammaln(n - t + 1))
    out[able] = np.exp(np.minimum(log, 0.0))
    return out


def _quantile(cumulative: Array, q: float) -> int:
    """The first index at which `cumulative` reaches q, forgiving the last digits."""
    return min(int(np.searchsorted(cumulative, q - 1e-12)), len(cumulative) - 1)
