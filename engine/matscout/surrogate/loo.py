"""A Gaussian process without each of its rows in turn, in closed form: no refit.

The hyperparameters, and what the target was standardised by, stay those of all rows. The densities
are therefore a little better than those of true refits; under priors as narrow as ours (see
kernel.py and model.py) the difference is small from ten rows on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from matscout.surrogate.posterior import MIN_VARIANCE, GpPosterior


@dataclass(frozen=True)
class LeaveOneOut:
    """Of the n rows of a posterior, physical units, each (n,).

    `mean` of row i and `sd` of its measurement, noise and all; `latent_sd` of its noise-free value.
    """

    mean: Tensor
    sd: Tensor
    latent_sd: Tensor


def leave_one_out(posterior: GpPosterior) -> LeaveOneOut:
    """Rasmussen and Williams 2006, equation 5.12: mu_i = y_i - [K⁻¹y]_i / [K⁻¹]_ii and
    sigma²_i = 1 / [K⁻¹]_ii, where K holds the noise.

    Believed rows count as rows.
    """
    if len(posterior.y) == 0:
        none = posterior.y
        return LeaveOneOut(none, none, none)
    root, weights = posterior._solved
    variance = 1.0 / root.square().sum(0)
    mean = posterior.y - weights * variance
    latent = (variance - posterior.noise).clamp_min(MIN_VARIANCE)
    scale = posterior.scale
    return LeaveOneOut(posterior.loc + scale * mean, scale * variance.sqrt(), scale * latent.sqrt())


def leave_one_out_at(posterior: GpPosterior, X: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sd of the noise-free value at X (b, d) for each row left out: (b, n), (b, n).

    With c(x) = k(x, X) K⁻¹: mu_-i(x) = mu(x) - c_i [K⁻¹y]_i / [K⁻¹]_ii and
    sigma²_-i(x) = sigma²(x) + c_i² / [K⁻¹]_ii (the partitioned inverse; brute force agrees).
    """
    inside = posterior.standardised
    mean, sd = inside.mean_sd(X)
    root, weights = inside._solved
    precision = root.square().sum(0)
    with torch.no_grad():
        cross = inside.kernel.forward(inside.box(X), inside.X)
        share = (cross @ root.mT) @ root  # (b, n)
        means = mean.unsqueeze(-1) - share * (weights / precision)
        variances = sd.square().unsqueeze(-1) + share.square() / precision
    return posterior.loc + posterior.scale * means, posterior.scale * variances.sqrt()
