"""A Gaussian process with its covariance, as a `JointBelief`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from linear_operator.utils.cholesky import psd_safe_cholesky
from torch import Tensor

from matscout.surrogate.posterior import GpPosterior


@dataclass(frozen=True)
class GpJoint:
    """A `GpPosterior` with its covariance; Rasmussen and Williams 2006, equation 2.24."""

    posterior: GpPosterior

    @property
    def loc(self) -> float:
        return self.posterior.loc

    @property
    def scale(self) -> float:
        return self.posterior.scale

    @property
    def standardised(self) -> GpJoint:
        return GpJoint(self.posterior.standardised)

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return self.posterior.mean_sd(X)

    def covariance(self, A: Tensor, B: Tensor) -> Tensor:
        post = self.posterior
        left, right = post.box(A), post.box(B)
        prior = post.kernel.forward(left, right)
        if len(post.X) == 0:
            return self.scale**2 * prior
        return self.scale**2 * (prior - self._white(left).mT @ self._white(right))

    def _white(self, rows: Tensor) -> Tensor:
        """L⁻¹ k(X, rows), (n, b)."""
        post = self.posterior
        cross = post.kernel.forward(post.X, rows)
        return torch.linalg.solve_triangular(self._factor, cross, upper=False)

    @cached_property
    def _factor(self) -> Tensor:
        post = self.posterior
        with torch.no_grad():
            return psd_safe_cholesky(post.kernel.forward(post.X, post.X) + post.noise.diag())
