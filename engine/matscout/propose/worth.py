"""Whether one more measurement of a candidate is worth as much as the first one of another."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import erfcx
from torch import Tensor

from matscout.surrogate.posterior import GpPosterior

Array = NDArray[np.float64]

_NOTHING = math.log(1e-6)
"""A gain below a millionth of the target's sd is none: what was never measured goes first."""


def worth_repeating(
    belief: GpPosterior, X: Tensor, new: Tensor, known: Tensor
) -> NDArray[np.bool_]:
    """Which measured candidates X (r, d) promise no less gain than a new one, new (d,): (r,).

    A bound is highest where the best is known best, and there another measurement may tell nothing.
    So the two are compared by the knowledge gradient (`log_gain`), with what is known otherwise
    (the points measured or believed, known (n, d)) as the rival.
    """
    inside = belief.standardised
    with torch.no_grad():
        means = inside.mean_sd(known)[0]
        itself = (X.unsqueeze(1) == known).all(-1)  # (r, n)
        rivals = torch.where(itself, -torch.inf, means).amax(-1)
        mean, sd = inside.mean_sd(torch.cat([X, new.unsqueeze(0)]))
    rival = torch.cat([rivals, means.max().unsqueeze(0)])
    gain = log_gain(mean.numpy(), sd.numpy(), rival.numpy(), inside.noise_here)
    return np.asarray(gain[:-1] >= max(gain[-1], _NOTHING))


def log_gain(mean: Array, sd: Array, rival: Array, noise: float) -> Array:
    """log of how much the best known mean is expected to rise by one measurement; (n,) each.

    Frazier, Powell, Dayanik 2008 (SIAM J. Control Optim. 47, 2410), equations 4.8 and 4.9, for
    independent beliefs: s f(-|mean - rival| / s) with f(u) = φ(u) + u Φ(u), where s, the sd of the
    next posterior mean, is sd² / sqrt(sd² + noise). Φ/φ is Mills' ratio by erfcx, so that gains too
    small for a float are still told apart.
    """
    step = np.square(sd) / np.sqrt(np.square(sd) + noise)
    u = -np.abs(mean - rival) / step
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(
            np.isfinite(u), u * math.sqrt(math.pi / 2) * erfcx(-u / math.sqrt(2)), -1.0
        )
        log_f = (
            -0.5 * np.square(u) - 0.5 * math.log(2 * math.pi) + np.log1p(np.maximum(ratio, -1.0))
        )
    return np.asarray(np.log(step) + log_f)
