"""Optuna's Parzen estimator, sampled and evaluated by SciPy's C functions, kernel by column.

Optuna computes the truncated normals of TPE in Python to do without SciPy. The kernels and their
weights are Optuna's own; only the arithmetic over them is done here, at half of an ask's cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]

_LOG_SQRT_2PI = 0.5 * np.log(2.0 * np.pi)


class Parzen(_ParzenEstimator):
    """What `_ParzenEstimator` computes, to rounding, from the same random numbers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mixture = self._mixture_distribution
        self._kernels: dict[str, _Choices | _Normals] = {
            name: _Choices(held) if isinstance(law, CategoricalDistribution) else _Normals(held)
            for (name, law), held in zip(
                self._search_space.items(), mixture.distributions, strict=True
            )
        }

    def sample(self, rng: np.random.RandomState, size: int) -> dict[str, Array]:
        weights = self._mixture_distribution.weights
        kernels = rng.choice(len(weights), p=weights, size=size)
        drawn: dict[str, Array] = {}
        # Optuna's order of drawing: choices one by one, then all the numbers at once.
        for name, held in self._kernels.items():
            drawn[name] = held.draw(kernels, rng.rand(size)) if held.is_choice else np.empty(0)
        numbers = [name for name, held in self._kernels.items() if not held.is_choice]
        for name, quantiles in zip(numbers, rng.uniform(size=(len(numbers), size)), strict=True):
            drawn[name] = self._kernels[name].draw(kernels, quantiles)
        return drawn

    def log_pdf(self, samples_dict: dict[str, Array]) -> Array:
        weights = self._mixture_distribution.weights
        size = len(next(iter(samples_dict.values())))
        total = np.tile(np.log(weights), (size, 1))  # (samples, kernels)
        room = np.empty_like(total)
        for name, held in self._kernels.items():
            held.add_log_density(samples_dict[name], total, room)
        highest = total.max(axis=1, keepdims=True)
        total -= highest
        np.exp(total, out=total)
        return np.asarray(np.log(total.sum(axis=1)) + highest[:, 0])


class _Choices:
    """One categorical parameter: a weight for each kernel and choice."""

    is_choice = True

    def __init__(self, held: Any) -> None:
        self._weights = held.weights

    def draw(self, kernels: NDArray[np.intp], quantiles: Array) -> Array:
        steps = np.cumsum(self._weights[kernels], axis=1)
        steps[:, -1] = 1.0  # rounding
        return np.asarray((steps < quantiles[:, None]).sum(axis=1), dtype=float)

    def add_log_density(self, x: Array, total: Array, room: Array) -> None:
        total += np.log(self._weights[:, x.astype(int)].T)


class _Normals:
    """One numeric parameter: a normal for each kernel, truncated to the bounds."""

    is_choice = False

    def __init__(self, held: Any) -> None:
        self._held, self._step = held, held.step
        self._inward: Callable[[Array], Array] = np.log if held.is_log else np.asarray
        self._low, self._high = held.adapted_low, held.adapted_high
        self._below = ndtr((self._low - held.mu) / held.sigma)
        self._mass = ndtr((self._high - held.mu) / held.sigma) - self._below
        self._narrow = math.sqrt(0.5) / held.sigma
        self._log_scale = np.log(held.sigma * self._mass) + _LOG_SQRT_2PI

    def draw(self, kernels: NDArray[np.intp], quantiles: Array) -> Array:
        held = self._held
        z = ndtri(self._below[kernels] + quantiles * self._mass[kernels])
        x = np.clip(held.mu[kernels] + held.sigma[kernels] * z, self._low, self._high)
        x = np.exp(x) if held.is_log else x
        if self._step:
            x = held.low + np.round((x - held.low) / self._step) * self._step
            x = np.clip(x, held.low, held.high)
        return np.asarray(x)

    def add_log_density(self, x: Array, total: Array, room: Array) -> None:
        """To `total` (samples, kernels); `room` is as large."""
        if self._step:
            total += self._log_cell_mass(x)
            return
        np.subtract(self._inward(x)[:, None], self._held.mu, out=room)
        room *= self._narrow
        room *= room
        total -= room
        total -= self._log_scale

    def _log_cell_mass(self, x: Array) -> Array:
        """Of the grid cell around each value, which may lie far out in a kernel's tail."""
        mu, sigma = self._held.mu, self._held.sigma
        left = (self._inward(x - self._step / 2)[:, None] - mu) / sigma
        right = (self._inward(x + self._step / 2)[:, None] - mu) / sigma
        upper = left + right > 0  # 1 - ε has no digits left there: take the mirror image
        left, right = np.where(upper, -right, left), np.where(upper, -left, right)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(ndtr(right) - ndtr(left)) - np.log(self._mass))
