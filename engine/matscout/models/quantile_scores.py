"""Scores of predicted quantiles: pinball loss, CRPS, and the coverage of an interval."""

from __future__ import annotations

import numpy as np


def pinball(truth: np.ndarray, quantile: np.ndarray, level: float) -> np.ndarray:
    """(n,) losses of the predicted quantile of probability `level`, in the target's unit: Koenker &
    Bassett, Econometrica 46, 33 (1978). At level 1/2 half the absolute error.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"0 < level < 1 must hold, got {level}")
    off = np.asarray(truth, dtype=float) - np.asarray(quantile, dtype=float)
    return np.maximum(level * off, (level - 1.0) * off)


def quantile_crps(truth: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(n,) continuous ranked probability scores of `quantiles` (n, q) of probability `levels` (q,),
    in the target's unit: twice the integral of the pinball loss over the level (Gneiting & Ranjan,
    J. Bus. Econ. Stat. 29, 411 (2011)), each level standing for the stretch nearest to it.

    For Gaussians `surrogate.crps` is exact. Raises ValueError for levels that do not
    rise within (0, 1).
    """
    q = np.asarray(levels, dtype=float)
    if not len(q) or q[0] <= 0.0 or q[-1] >= 1.0 or (np.diff(q) <= 0).any():
        raise ValueError("levels must rise within (0, 1)")
    edges = np.concatenate([[0.0], (q[:-1] + q[1:]) / 2, [1.0]])
    losses = [pinball(truth, quantiles[:, k], float(level)) for k, level in enumerate(q)]
    return np.asarray(2.0 * np.stack(losses, axis=1) @ np.diff(edges))


def covered(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The share of `truth` (n,) within [low, high], ends included."""
    return float(np.mean((truth >= low) & (truth <= high)))
