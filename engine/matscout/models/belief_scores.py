"""Scores of a stated uncertainty: y (n,) under Gaussians whose mean and sd are the columns of (n, 2).

An sd of 0 is scored as the limit of small ones, which a distribution function has and a density has not.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import norm

from matscout.surrogate import calibration
from matscout.surrogate.crps import crps as of_held_out
from matscout.surrogate.held_out import HeldOut

LEVEL = 0.9
"""Of the interval whose coverage is judged: what `matscout predict` states, too."""


def nll(y: np.ndarray, belief: np.ndarray) -> float:
    """Mean negative log density, in nats; of y in its own unit, so that it changes with the unit. NaN
    where an sd is 0: models keep theirs above it (uncertainty/belief.py)."""
    return -float(norm.logpdf(y, *belief.T).mean())


def crps(y: np.ndarray, belief: np.ndarray) -> float:
    """Mean continuous ranked probability score, in the target's unit (surrogate/crps.py)."""
    error = np.abs(y - belief[:, 0])
    there = belief[:, 1] > 0
    said = (torch.from_numpy(np.asarray(v, dtype=float)[there]) for v in (y, *belief.T))
    error[there] = of_held_out(HeldOut.normal(*said)).numpy()
    return float(error.mean())


def coverage_error(y: np.ndarray, belief: np.ndarray) -> float:
    """|share of y inside the central interval of LEVEL - LEVEL|: too narrow and too wide both cost."""
    return abs(calibration.coverage(y, *_unsure(y, belief), LEVEL) - LEVEL)


def miscalibration_area(y: np.ndarray, belief: np.ndarray) -> float:
    """The same over all levels, 0 (perfect) to 1/2 (surrogate/calibration.py)."""
    return calibration.miscalibration_area(y, *_unsure(y, belief))


def _unsure(y: np.ndarray, belief: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd, (n,) each; an sd of 0 becomes one so small that the error, unless it is none, is
    outside every interval."""
    mean, sd = belief.T
    size = np.maximum(np.abs(y - mean), np.finfo(float).tiny) * 1e-3
    return mean, np.where(sd > 0, sd, size)
