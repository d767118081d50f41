"""Beliefs that know how their values hang together, and draws from them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from botorch.utils.sampling import draw_sobol_normal_samples
from linear_operator.utils.cholesky import psd_safe_cholesky
from linear_operator.utils.warnings import NumericalWarning
from torch import Tensor

from matscout.acquire.base import Belief

_CHUNK = 2_000_000
"""Entries held at once: 16 MB, which stays near the cache."""


class JointBelief(Belief, Protocol):
    """A belief that also gives covariances."""

    @property
    def standardised(self) -> JointBelief: ...

    def covariance(self, A: Tensor, B: Tensor) -> Tensor:
        """Of the noise-free values, in squared units: (a, d), (b, d) -> (a, b)."""


def standard_normals(draws: int, n: int, seed: int) -> Tensor:
    """(draws, n) by scrambled Sobol points under `seed`; beyond their 21,201 columns, plain ones.

    Take all the columns that belong together in one call: two calls give columns that are not
    independent of one another, whatever their seeds, because the points behind them are the same.
    """
    if n <= torch.quasirandom.SobolEngine.MAXDIM:
        return draw_sobol_normal_samples(n, draws, dtype=torch.float64, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(draws, n, dtype=torch.float64, generator=generator)


def joint_draws(mean: Tensor, covariance: Tensor, normals: Tensor) -> Tensor:
    """Mean (n,), covariance (n, n), normals (s, n) -> (s, n).

    With the same normals in every round, scores change by what was learned and not by luck.
    """
    return mean + normals @ _root(covariance).mT


def _root(covariance: Tensor) -> Tensor:
    """Lower Cholesky factor. Points close to one another need jitter, and that is no news."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        return psd_safe_cholesky(covariance)


@dataclass(frozen=True)
class Fantasies:
    """Draws of the noise-free values at some points, and what each implies elsewhere.

    Given the values at X (n, d), another point is Gaussian with a mean that depends on the draw and
    an sd that does not: what noisy improvement is about (Letham et al. 2019). `belief` and `values`
    (s, n) are standardised. X should hold those measured points that may be the best, hundreds at
    most.
    """

    belief: JointBelief
    X: Tensor
    values: Tensor

    @classmethod
    def drawn(cls, belief: JointBelief, X: Tensor, normals: Tensor) -> Fantasies:
        """`normals` (s, n)"""
        inside = belief.standardised
        with torch.no_grad():
            mean, _ = inside.mean_sd(X)
            return cls(inside, X, joint_draws(mean, inside.covariance(X, X), normals))

    def at(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """X (b, d) -> means (s, b), sd (b,), standardised."""
        mean, sd = self.belief.mean_sd(X)
        cross = self.belief.covariance(X, self.X)  # (b, n)
        solved = torch.cholesky_solve(cross.mT, self._factor)  # (n, b)
        variance = sd.square() - (cross.mT * solved).sum(0)
        return mean + self._surprise @ solved, variance.clamp_min(1e-12).sqrt()

    @property
    def rows_at_once(self) -> int:
        return max(_CHUNK // max(len(self.X), len(self.values)), 1)

    @cached_property
    def _factor(self) -> Tensor:
        with torch.no_grad():
            return _root(self.belief.covariance(self.X, self.X))

    @cached_property
    def _surprise(self) -> Tensor:
        with torch.no_grad():
            return self.values - self.belief.mean_sd(self.X)[0]


def in_chunks(score: Callable[[Tensor], Tensor], X: Tensor, rows: int) -> Tensor:
    """`score` of X (b, …) -> (b,), a block of rows at a time unless a gradient is wanted."""
    if X.requires_grad or len(X) <= rows:
        return score(X)
    return torch.cat([score(part) for part in X.split(rows)])
