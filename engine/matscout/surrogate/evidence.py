"""The log posterior density of a Gaussian process's hyperparameters, with its gradient.

Rasmussen and Williams 2006, equations 5.8 and 5.9, for the kernel of kernel.py. It is what `ShrunkGP`
and its priors say, which a test holds it to; written out, one evaluation for dozens of rows costs a
quarter of what automatic differentiation does, and a fit takes some fifteen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, lapack

from matscout.surrogate.kernel import STRETCH

Array = NDArray[np.float64]

_ROOT_5 = math.sqrt(5.0)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_JITTERS = (0.0, 1e-8, 1e-6, 1e-4)


@dataclass(frozen=True)
class LogNormal:
    """log x ~ N(mean, sd^2)."""

    mean: float
    sd: float

    def loss(self, log: float) -> tuple[float, float]:
        """-log density and its derivative by log x, up to a constant."""
        z = (log - self.mean) / self.sd
        return 0.5 * z * z + math.log(self.sd) + _HALF_LOG_2PI, z / self.sd


@dataclass(frozen=True)
class Shrinkage:
    """The prior on the log lengthscales: N(mu 1, precision⁻¹); see kernel.py."""

    mu: float
    precision: Array  # (g, g)

    def loss(self, logs: Array) -> tuple[float, Array]:
        away = logs - self.mu
        pull = self.precision @ away
        log_volume = -0.5 * float(np.linalg.slogdet(self.precision)[1])
        constant = len(logs) * _HALF_LOG_2PI + log_volume
        return 0.5 * float(away @ pull) + constant, pull


@dataclass(frozen=True)
class Evidence:
    """`squares` (g, n, n) are squared distances by group of columns, y (n,) is standardised,
    `given` (n,) is known noise variance. theta holds g log lengthscales, the log variances of the
    joint and of the additive part and, if noise is `learned`, log(noise - floor).
    """

    squares: Array
    y: Array
    given: Array
    learned: bool
    shrinkage: Shrinkage
    variances: tuple[LogNormal, LogNormal]
    noise: LogNormal
    floor: float

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Minus the log posterior density divided by n, and its gradient; infinite where the
        covariance cannot be factorised."""
        g, n = len(self.squares), len(self.y)
        joint, additive = np.exp(theta[g : g + 2])
        extra = math.exp(theta[g + 2]) + self.floor if self.learned else 0.0
        scaled = np.exp(-2.0 * theta[:g])[:, None, None] * self.squares
        together, together_slope = _matern(scaled.sum(axis=0))
        alone, alone_slope = _matern(scaled / STRETCH**2)
        mean_alone = alone.mean(axis=0)
        covariance = joint * together + additive * mean_alone
        covariance[np.diag_indices(n)] += self.given + extra
        factor = _factor(covariance)
        if factor is None:
            return math.inf, np.zeros_like(theta)
        inverse = _inverse(factor)
        weights = inverse @ self.y
        loss = 0.5 * self.y @ weights + np.log(np.diag(factor)).sum() + n * _HALF_LOG_2PI
        # d loss / dK is half of K⁻¹ - K⁻¹ y y' K⁻¹ (equation 5.9).
        slope = 0.5 * (inverse - np.outer(weights, weights))
        by_square = joint * together_slope + additive / (g * STRETCH**2) * alone_slope
        gradient = np.empty_like(theta)
        gradient[:g] = -2.0 * np.einsum("ij,gij,gij->g", slope, by_square, scaled)
        gradient[g] = joint * np.vdot(slope, together)
        gradient[g + 1] = additive * np.vdot(slope, mean_alone)
        if self.learned:
            gradient[g + 2] = np.trace(slope) * (extra - self.floor)
        loss += self._add_priors(theta, extra, gradient)
        return float(loss) / n, gradient / n

    def _add_priors(self, theta: Array, extra: float, gradient: Array) -> float:
        g = len(self.squares)
        total, slopes = self.shrinkage.loss(theta[:g])
        gradient[:g] += slopes
        for place, prior in enumerate(self.variances, start=g):
            loss, slope = prior.loss(float(theta[place]))
            total, gradient[place] = total + loss, gradient[place] + slope
        if self.learned:
            loss, slope = self.noise.loss(math.log(extra))
            gradient[g + 2] += slope * (extra - self.floor) / extra
            total += loss
        return total


def grouped_squares(X: Array, groups: list[int]) -> Array:
    """(g, n, n) squared distances of the rows of X (n, d), summed within each group of columns."""
    out = np.zeros((max(groups) + 1, len(X), len(X)))
    for column, group in enumerate(groups):
        out[group] += np.square(X[:, None, column] - X[None, :, column])
    return out


def _factor(covariance: Array) -> Array | None:
    for jitter in _JITTERS:
        try:
            moved = covariance + jitter * np.eye(len(covariance)) if jitter else covariance
            return np.asarray(cholesky(moved, lower=True, check_finite=False))
        except np.linalg.LinAlgError:
            continue
    return None


def _matern(squares: Array) -> tuple[Array, Array]:
    """Matern-5/2 and its derivative by the squared scaled distance."""
    r = _ROOT_5 * np.sqrt(squares)
    decay = np.exp(-r)
    return (1.0 + r + r * r / 3.0) * decay, -5.0 / 6.0 * (1.0 + r) * decay


def _inverse(factor: Array) -> Array:
    lower = np.tril(lapack.dpotri(factor, lower=1)[0])
    return np.asarray(lower + np.tril(lower, -1).T)
