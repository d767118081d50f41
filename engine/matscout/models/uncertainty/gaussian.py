"""A network with two outputs: the mean of a Gaussian and its variance (Nix and Weigend 1994)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST_VARIANCE = 1e-4  # of the standardised target's
_AT_ZERO = math.log(math.expm1(0.1))  # so that an output of 0 means a variance of 0.1

BETA = 0.5
"""Seitzer et al. 2022 recommend it: with 0 rows that are hard to fit are soon explained as noise."""


def variance_of(raw: Tensor) -> Tensor:
    """Positive, from an unbounded output of any shape."""
    return F.softplus(raw + _AT_ZERO) + LEAST_VARIANCE


def beta_nll(outputs: Tensor, goal: Tensor, beta: float = BETA) -> Tensor:
    """Mean over rows of stop(variance^beta) (log variance + (y - mean)² / variance) / 2.

    outputs (b, 2), goal (b,). Seitzer, Tavakoli, Antic, Martius, ICLR 2022, equation 5; with
    beta = 0 it is minus the Gaussian log likelihood without its constant (Lakshminarayanan et al.
    2017, equation 1).
    """
    variance = variance_of(outputs[:, 1])
    loss = 0.5 * (variance.log() + (goal - outputs[:, 0]).square() / variance)
    return (variance.detach() ** beta * loss).mean() if beta else loss.mean()


def moments(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance: (…, 2) -> (…), (…)."""
    return outputs[..., 0], variance_of(outputs[..., 1])


def law_of_total_variance(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance of the means and mean of the variances over T networks: (T, b, 2) -> (b,) each.

    The variance between networks is that of a sample, with T - 1 below the line.
    """
    mean, variance = moments(outputs)
    between = mean.var(0) if len(mean) > 1 else torch.zeros_like(mean[0])
    return mean.mean(0), between, variance.mean(0)
