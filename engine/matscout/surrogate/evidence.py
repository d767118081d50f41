"""The log posterior density of a Gaussian process's hyperparameters, with its gradient.

Rasmussen and Williams 2006, equations 5.8 and 5.9, for the kernel of kernel.py. It is what `ShrunkGP`
and its priors say, which a test holds it to; written out, one evaluation for dozens of rows costs a
quarter of what automatic differentiation does, and a fit takes some fifteen. Arrays of g n² numbers are
kept from one evaluation to the next: to ask the system for them anew, as NumPy does for each
temporary, took four fifths of the time at 200 rows (14.6 ms against 3.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, lapack

from matscout.surrogate.kernel import STRETCH
from matscout.surrogate.noise_prior import NoisePrior

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
    noise: NoisePrior
    floor: float

    def loss(self, theta: Array) -> tuple[float, Array]:
        """Minus the log posterior density divided by n, and its gradient; infinite where the
        covariance cannot be factorised."""
        g, n = len(self.squares), len(self.y)
        joint, additive = np.exp(theta[g : g + 2])
        extra = math.exp(theta[g + 2]) + self.floor if self.learned else 0.0
        scaled, together, alone = self._scratch
        np.multiply(np.exp(-2.0 * theta[:g])[:, None, None], self.squares, out=scaled)
        together.of(scaled.sum(axis=0, out=together.value))
        alone.of(np.divide(scaled, STRETCH**2, out=alone.value))
        mean_alone = alone.value.mean(axis=0)
        covariance = joint * together.value + additive * mean_alone
        covariance[np.diag_indices(n)] += self.given + extra
        factor = _factor(covariance)
        if factor is None:
            return math.inf, np.zeros_like(theta)
        inverse = _inverse(factor)
        weights = inverse @ self.y
        loss = 0.5 * self.y @ weights + np.log(np.diag(factor)).sum() + n * _HALF_LOG_2PI
        # d loss / dK is half of K⁻¹ - K⁻¹ y y' K⁻¹ (equation 5.9).
        slope = 0.5 * (inverse - np.outer(weights, weights))
        np.multiply(additive / (g * STRETCH**2), alone.slope, out=alone.slope)
        by_square = np.add(joint * together.slope, alone.slope, out=alone.slope)
        gradient = np.empty_like(theta)
        gradient[:g] = -2.0 * np.einsum("ij,gij,gij->g", slope, by_square, scaled)
        gradient[g] = joint * np.vdot(slope, together.value)
        gradient[g + 1] = additive * np.vdot(slope, mean_alone)
        if self.learned:
            gradient[g + 2] = np.trace(slope) * (extra - self.floor)
        loss += self._add_priors(theta, extra, gradient)
        return float(loss) / n, gradient / n

    @cached_property
    def _scratch(self) -> tuple[Array, _Matern, _Matern]:
        """Room for squared scaled distances, and for their kernel together and by group."""
        return (
            np.empty_like(self.squares),
            _Matern(self.squares[0].shape),
            _Matern(self.squares.shape),
        )

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


class _Matern:
    """Matern-5/2 and its derivative by the squared scaled distance, each of the same shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.value, self.slope, self._decay = np.empty(shape), np.empty(shape), np.empty(shape)

    def of(self, squares: Array) -> None:
        """(1 + r + r²/3) exp(-r) and -5/6 (1 + r) exp(-r), r = √5 times the distance. `squares` may
        be `value` itself."""
        value, slope, decay = self.value, self.slope, self._decay
        r = np.sqrt(squares, out=slope)
        r *= _ROOT_5
        np.exp(np.negative(r, out=decay), out=decay)
        np.multiply(r, r, out=value)
        value /= 3.0
        slope += 1.0
        value += slope
        value *= decay
        slope *= -5.0 / 6.0
        slope *= decay


def _inverse(factor: Array) -> Array:
    lower = lapack.dpotri(factor, lower=1)[0]  # leaves the zeros above
    inverse = np.add(lower, lower.T, order="C")
    inverse[np.diag_indices(len(lower))] = lower.diagonal()
    return np.asarray(inverse)
