"""Where experiments work: a probability learned from those that failed."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.trial import State

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

Array = NDArray[np.float64]

LEAST_P, MOST_P = 0.02, 0.99
"""A handful of labels proves nothing for certain: no region is ever ruled out, or ruled in."""

_MOST_WEIGHT = 3.0
"""One failure may count as much as three successes, not more: at the very spot of a lone failure
among many successes this leaves P near 1/4, where full balancing would leave a veto."""

_LEAST_EACH = 3
"""Of each kind, before the lengthscale is fitted: from fewer, the likelihood takes any."""

_REACH = 0.3
"""The unfitted lengthscale, of the diagonal of the unit cube's √d: a third of the way across."""

_MOST_ROWS = 1000
"""Successes beyond are thinned evenly: an exact process over more costs seconds and says the same."""

_BLOCK = 20_000
"""Candidates predicted at a time."""


@dataclass(frozen=True)
class Feasibility:
    """P(the experiment works) by a Gaussian process on the labels ±1.

    Least-squares classification (Rasmussen & Williams 2006, §6.5) with an isotropic Matern-5/2
    kernel of unit variance around the base rate by Laplace's rule of succession: unlike a forest
    it goes back to the base rate away from the data, and unlike a plain classifier it does so
    rather than to 1/2. Each label has the noise variance 1 / weight, and a failure the weight
    sqrt(successes / failures), within [1/3, 3], so that rare failures are heard.

    `model` is None where nothing has failed: then the probability is 1 everywhere.
    """

    model: GaussianProcessRegressor | None = None
    centre: float = 1.0

    @classmethod
    def of(cls, X_ok: Array, X_failed: Array) -> Feasibility:
        """Learn from experiments that worked (n, d) and that failed (m, d), features in [0, 1]."""
        failed = len(X_failed)
        if not failed or not X_failed.shape[1]:
            return cls()
        # Two seconds to import, which `matscout status` need not wait for.
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern

        base = (len(X_ok) + 1) / (len(X_ok) + failed + 2)
        X_ok = X_ok.reshape(-1, X_failed.shape[1])
        X_ok = X_ok[:: math.ceil(len(X_ok) / _MOST_ROWS) or 1]
        X_failed = X_failed[:: math.ceil(failed / _MOST_ROWS)]
        ok = len(X_ok)
        X = np.vstack([X_ok, X_failed])
        y = np.concatenate([np.ones(ok), -np.ones(len(X_failed))])
        weight = min(max(math.sqrt(ok / len(X_failed)), 1 / _MOST_WEIGHT), _MOST_WEIGHT)
        noise = np.concatenate([np.ones(ok), np.full(len(X_failed), 1 / weight)])
        span = math.sqrt(X.shape[1])
        fitted = min(ok, len(X_failed)) >= _LEAST_EACH
        bounds = (0.1 * span, 1.0 * span)
        model = GaussianProcessRegressor(
            Matern(_REACH * span, length_scale_bounds=bounds, nu=2.5),
            alpha=noise,
            optimizer="fmin_l_bfgs_b" if fitted else None,
        )
        centre = 2.0 * base - 1.0
        with warnings.catch_warnings():  # a lengthscale at its bound is an answer, not a mishap
            warnings.simplefilter("ignore", ConvergenceWarning)
            return cls(model.fit(X, y - centre), centre)

    def __call__(self, X: Array) -> Array:
        """P (n,) for rows X (n, d)."""
        if self.model is None:
            return np.ones(len(X))
        blocks = [X[i : i + _BLOCK] for i in range(0, len(X), _BLOCK)]
        label = np.concatenate([self.model.predict(block) for block in blocks]) if blocks else X
        return np.clip((1.0 + self.centre + label.reshape(-1)) / 2.0, LEAST_P, MOST_P)


def worked_and_failed(history: History) -> tuple[list[int], list[int]]:
    """Ids of the trials that gave a value and of those whose experiment failed.

    What is pending, crashed, invalid or abandoned says nothing about the chemistry.
    """
    worked = [t.id for t in history.trials if t.state is State.COMPLETE]
    return worked, [t.id for t in history.trials if t.state is State.FAILED]
