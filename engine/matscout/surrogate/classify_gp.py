"""A Gaussian process on labels of -1 and +1."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import norm
from torch import Tensor

from matscout.surrogate.base import FitFailed
from matscout.surrogate.classify import (
    ConstantMembership,
    Membership,
    check_labels,
    one_class,
)
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.loo import leave_one_out
from matscout.surrogate.posterior import GpPosterior

VOTERS = 16
"""Equally likely values of the latent function that `members` are asked at."""

CERTAIN = 1e-6  # a probability that Gaussian tails drive to 0 or 1 stops here

SLOPE_PRIOR = (math.log(2.0), 1.0)
SHIFT_SD = 1.0
"""Of log alpha (mean and sd), and of beta (about 0). A slope of 2 makes a latent value of 1, which
is what a positive label is, mean 98 %."""


@dataclass(frozen=True)
class GpClassifier:
    """Least-squares classification (Rasmussen and Williams 2006, section 6.5); a `Classifier`.

    `process` is fitted to -1 and +1 as if they were measurements, f being what it believes. Then
    P(positive) = Φ((alpha m + beta) / sqrt(1 + alpha² s²)), m and s² being mean and variance of f.
    alpha and beta are those under which each label is most probable by the process without it, as
    they propose; leave-one-out is in closed form. Gaussian priors on log alpha and beta hold where
    labels are few. Far from all rows m goes to the mean label and P to about the base rate.
    """

    process: GaussianProcess = field(default_factory=GaussianProcess)

    def fit(self, X: Tensor, labels: Tensor) -> Membership:
        """X (n, d), in the units that `process` expects, labels (n,) bool."""
        check_labels(X, labels)
        if one_class(labels):
            return ConstantMembership.of(labels)
        signs = 2.0 * labels.double() - 1.0
        try:
            posterior = self.process.fit(X, signs.unsqueeze(-1))
            left = leave_one_out(posterior)
        except FitFailed:
            return ConstantMembership.of(labels)
        slope, shift = _slope_and_shift(
            left.mean.numpy(), left.latent_sd.square().numpy(), signs.numpy()
        )
        return GpMembership(posterior, slope, shift)


@dataclass(frozen=True)
class GpMembership:
    """`posterior` is of the latent function f; the label at f is positive with Φ(slope f + shift)."""

    posterior: GpPosterior
    slope: float
    shift: float

    def probability(self, X: Tensor) -> Tensor:
        with torch.no_grad():
            mean, sd = self.posterior.mean_sd(X)
        return _phi((self.slope * mean + self.shift) / (1.0 + (self.slope * sd).square()).sqrt())

    def members(self, X: Tensor) -> Tensor:
        """What the label would be at `VOTERS` equally likely values of f: (b, d) -> (k, b).

        What they differ by is what is unknown of f; that each is not certain is noise. Their mean
        is `probability` to within 0.01.
        """
        with torch.no_grad():
            mean, sd = self.posterior.mean_sd(X)
        level = (torch.arange(VOTERS, dtype=mean.dtype) + 0.5) / VOTERS
        drawn = mean + sd * torch.special.ndtri(level).unsqueeze(-1)  # (k, b)
        return _phi(self.slope * drawn + self.shift)


def _slope_and_shift(
    mean: np.ndarray, variance: np.ndarray, signs: np.ndarray
) -> tuple[float, float]:
    """MAP alpha and beta for what was left out, each (n,)."""

    def loss(numbers: np.ndarray) -> float:
        slope = math.exp(numbers[0])
        z = signs * (slope * mean + numbers[1]) / np.sqrt(1.0 + slope**2 * variance)
        prior = ((numbers[0] - SLOPE_PRIOR[0]) / SLOPE_PRIOR[1]) ** 2 + (numbers[1] / SHIFT_SD) ** 2
        return float(0.5 * prior - norm.logcdf(z).sum())

    start = np.array([SLOPE_PRIOR[0], 0.0])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(-4.0, 5.0), (-5.0, 5.0)])
    return math.exp(found.x[0]), float(found.x[1])


def _phi(z: Tensor) -> Tensor:
    return torch.special.ndtr(z).clamp(CERTAIN, 1.0 - CERTAIN)
