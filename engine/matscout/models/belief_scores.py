"""Scores of a stated uncertainty: y (n,) under Gaussians whose mean and sd are the columns of (n, 2)."""

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
    """Mean negative log density, in nats; of y in its own unit, so that it changes with the unit."""
    return -float(norm.logpdf(y, *belief.T).mean())


def crps(y: np.ndarray, belief: np.ndarray) -> float:
    """Mean continuous ranked probability score, in the target's unit (surrogate/crps.py)."""
    said = (torch.from_numpy(np.asarray(part, dtype=float)) for part in (y, *belief.T))
    return float(of_held_out(HeldOut.normal(*said)).mean())


def coverage_error(y: np.ndarray, belief: np.ndarray) -> float:
    """|share of y inside the central interval of LEVEL - LEVEL|: too narrow and too wide both cost."""
    return abs(calibration.coverage(y, belief[:, 0], belief[:, 1], LEVEL) - LEVEL)


def miscalibration_area(y: np.ndarray, belief: np.ndarray) -> float:
    """The same over all levels, 0 (perfect) to 1/2 (surrogate/calibration.py)."""
    return calibration.miscalibration_area(y, belief[:, 0], belief[:, 1])
