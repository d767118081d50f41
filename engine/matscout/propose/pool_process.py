"""The Gaussian process of one target over the candidates of a pool."""

from __future__ import annotations

import math

import numpy as np
import torch

from matscout.propose.base import Forecast
from matscout.propose.candidates import Candidates
from matscout.propose.observations import Observations
from matscout.propose.pooled_fit import fit_pooled
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.reach import interval
from matscout.trial import Target


def pool_process(candidates: Candidates, data: Observations) -> GpPosterior:
    """Fitted to what was measured; what is in doubt is left to be believed. Raises FitFailed."""
    unit = torch.from_numpy(candidates.unit)
    process = GaussianProcess(groups=candidates.groups)
    return fit_pooled(process, unit[candidates.rows(data.trials)], data)


def pool_forecast(
    candidates: Candidates, data: Observations, target: Target, rule: str
) -> Forecast:
    """What that process says of every candidate. The score is NaN and P(feasible) 1: whoever has a
    rule, or failures to learn from, fills them in. Raises FitFailed.
    """
    posterior = pool_process(candidates, data)
    better, sd, half = interval(posterior, torch.from_numpy(candidates.unit))
    mean = target.sign * better
    with np.errstate(over="ignore"):  # beyond the largest float is as far as there is
        low, high = mean - half, mean + half
    none, sure = np.full(len(mean), np.nan), np.ones(len(mean))
    noise_sd = math.sqrt(posterior.noise_here) * posterior.scale
    return Forecast(mean, sd, low, high, none, sure, rule, noise_sd)
