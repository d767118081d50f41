"""What an exact Gaussian process believes, given its hyperparameters."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from linear_operator.utils.cholesky import psd_safe_cholesky
from linear_operator.utils.errors import NanError, NotPSDError
from torch import Tensor

from matscout.surrogate.base import FitFailed
from matscout.surrogate.kernel import AdditiveMatern
from matscout.surrogate.scaling import Standard, UnitBox

MIN_VARIANCE = 1e-12
"""Of the standardised target. BoTorch's acquisition functions cut at the same value."""

_CHUNK = 2_000_000
"""Entries of a covariance block held at once: 16 MB, which stays near the cache."""

_MANY_PARTS = 8
"""From so many parts on, a second core is worth waking."""


@dataclass(frozen=True)
class GpPosterior:
    """f | X, y with y = f(X) + noise; Rasmussen and Williams 2006, equations 2.25 and 2.26.

    X (n, d) and y (n,) are scaled and standardised, noise (n,) is in the same units.
    `noise_here` is the noise that a measurement at a new point is expected to have.
    """

    kernel: AdditiveMatern
    noise_here: float
    X: Tensor
    y: Tensor
    noise: Tensor
    box: UnitBox
    units: Standard

    @property
    def loc(self) -> float:
        return self.units.loc

    @property
    def scale(self) -> float:
        return self.units.scale

    @property
    def standardised(self) -> GpPosterior:
        copy = replace(self, units=Standard())
        if len(self.X):
            # It does not depend on units. Solved here even if it was not yet: else each would solve it.
            copy.__dict__["_solved"] = self._solved
        return copy

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Of the latent f, in physical units: (…, d) -> (…), (…). Long X goes through in chunks."""
        rows = self.box(X).reshape(-1, self.X.shape[-1])
        if rows.requires_grad or rows.shape[0] * len(self.X) <= _CHUNK:
            mean, sd = self._rows(rows)
        else:
            parts = _over_cores(self._rows, rows.split(max(_CHUNK // len(self.X), 1)))
            mean, sd = (torch.cat(column) for column in zip(*parts, strict=True))
        shape = X.shape[:-1]
        return (self.loc + self.scale * mean).reshape(shape), (self.scale * sd).reshape(shape)

    def believe(self, X: Tensor) -> GpPosterior:
        if len(X) == 0:
            return self
        with torch.no_grad():
            mean, _ = self.standardised.mean_sd(X)
        here = torch.full((len(X),), self.noise_here, dtype=self.noise.dtype)
        return replace(
            self,
            X=torch.cat([self.X, self.box(X)]),
            y=torch.cat([self.y, mean]),
            noise=torch.cat([self.noise, here]),
        )

    def _rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        prior = self.kernel.prior_variance.expand(len(rows))
        if len(self.X) == 0:
            return 0.0 * rows.sum(-1), prior.sqrt()
        root, weights = self._solved
        cross = self.kernel.forward(rows, self.X)  # (b, n)
        variance = prior - (cross @ root.mT).square().sum(-1)
        return cross @ weights, variance.clamp_min(MIN_VARIANCE).sqrt()

    @cached_property
    def _solved(self) -> tuple[Tensor, Tensor]:
        """L⁻¹ (n, n) and K⁻¹ y (n,), where K = L L' is the covariance of the observed y."""
        with torch.no_grad():
            covariance = self.kernel.forward(self.X, self.X) + self.noise.diag()
            try:
                factor = psd_safe_cholesky(covariance)
            except (NotPSDError, NanError) as error:
                raise FitFailed(str(error)) from error
            identity = torch.eye(len(self.X), dtype=self.X.dtype)
            root = torch.linalg.solve_triangular(factor, identity, upper=False)
            return root, root.mT @ (root @ self.y)


def _over_cores(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], parts: Sequence[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """`function` of each part without derivatives, in order; threads where there are many parts,
    because torch's own gain nothing on blocks that fit a cache."""

    def plain(part: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():  # it holds for the thread that says so
            return function(part)

    if len(parts) < _MANY_PARTS:
        return [plain(part) for part in parts]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(plain, parts))
