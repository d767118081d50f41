"""How many sd an interval of a Gaussian process has to reach, by its leave-one-out residuals."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student
from torch import Tensor

from matscout.surrogate.conformal_quantile import rank, upper
from matscout.surrogate.held_out import measurement_sd
from matscout.surrogate.loo import leave_one_out
from matscout.surrogate.posterior import GpPosterior

Array = NDArray[np.float64]


def conformal_reach(posterior: GpPosterior, level: float = 0.9) -> float:
    """The factor q for which mean ± q * sd of a measurement holds with probability `level`.

    The conformal quantile of |y_i - mean_-i| / sd_-i (the normalised jackknife of Barber et al.
    2021, section 1.2, with the closed-form leave-one-out of a Gaussian process). Where the rows are
    too few for that level, Student's t with n - 1 degrees of freedom. For points that are drawn
    like those measured; what an optimist picks turns out worse than that.
    """
    n = len(posterior.y)
    if rank(n, level) > n:
        return float(student.ppf(0.5 + level / 2.0, max(n - 1, 1)))
    left_out, scale = leave_one_out(posterior), posterior.scale
    y = posterior.loc + scale * posterior.y
    z = ((y - left_out.mean) / left_out.sd).abs().numpy()
    return upper(np.asarray(z, dtype=float), level)


def interval(posterior: GpPosterior, X: Tensor) -> tuple[Array, Array, Array]:
    """Mean and sd of the noise-free value at X (b, d), and how far a new measurement may lie from
    the mean with 90 % probability; (b,) each, counted up as y is.
    """
    with torch.no_grad():
        mean, sd = posterior.mean_sd(X)
        half = conformal_reach(posterior) * measurement_sd(posterior, sd)
    return mean.numpy(), sd.numpy(), half.numpy()
