"""Negative integrated posterior variance: how little would be left unknown after one experiment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.base import Score
from matscout.acquire.joint import JointBelief, in_chunks

Covariance = Callable[[Tensor, Tensor], Tensor]
"""(a, d), (b, d) -> (a, b), the posterior's, of the noise-free values."""

_CHUNK = 2_000_000


def variance_removed(
    covariance: Covariance, X: Tensor, sd: Tensor, at: Tensor, noise: float
) -> Tensor:
    """By how much measuring each row of X lowers the mean variance at the rows of `at`.

    ALC, "active learning Cohn" (Cohn 1996; for Gaussian processes Seo et al. 2000):
    mean over t of cov(t, x)^2 / (var(x) + noise). X (b, d) with sd (b,), `at` (t, d) -> (b,).
    `noise` is the variance of one measurement. It needs no value of y: a Gaussian process knows
    beforehand what a measurement will teach it.
    """
    return covariance(X, at).square().mean(-1) / (sd.square() + noise)


@dataclass(frozen=True)
class NegIntegratedPosteriorVariance:
    """-mean over `at` of the variance that is left once x is measured; what BoTorch's
    qNegIntegratedPosteriorVariance computes, for one point and in closed form.

    `at` (t, d) are the points to know better: a spread subset of the pool, or of a rare part of it.
    `noise` is the variance of one measurement, both in the target's units. Unlike the sd alone, it
    does not run to corners that tell nothing about the rest.
    """

    at: Tensor
    noise: float
    name: ClassVar[str] = "nipv"
    falls_with_sd: ClassVar[bool] = False

    def on(self, belief: JointBelief) -> Score:
        inside = belief.standardised
        noise = self.noise / belief.scale / belief.scale
        with torch.no_grad():
            before = inside.mean_sd(self.at)[1].square().mean()

        def score(X: Tensor) -> Tensor:
            sd = inside.mean_sd(X)[1].clamp_min(1e-12)
            removed = variance_removed(inside.covariance, X, sd, self.at, noise)
            return belief.scale**2 * (removed - before)

        def of_single(X: Tensor) -> Tensor:
            assert X.shape[-2] == 1, "one point at a time: q must be 1"
            return in_chunks(score, X.squeeze(-2), max(_CHUNK // len(self.at), 1))

        return of_single

    def __call__(self, belief: JointBelief, X: Tensor) -> Tensor:
        return self.on(belief)(X)
