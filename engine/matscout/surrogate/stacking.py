"""Stacking of predictive distributions."""

from __future__ import annotations

import numpy as np

PULL = 1.0
"""Rows that each surrogate is given beforehand: a Dirichlet(1 + PULL, …) prior on the weights."""

_STEPS, _TOLERANCE = 2000, 1e-10


def stacking_weights(log_density: np.ndarray, pull: float = PULL) -> np.ndarray:
    """Weights, (k,), for k surrogates by the held-out log densities (n, k) of n measurements.

    Maximises (1/n) sum_i log sum_k w_k p(y_i | y_-i, M_k) over the simplex (Yao, Vehtari, Simpson,
    Gelman 2018, equation 4), plus (pull/n) sum_k log w_k, which keeps weights equal while data are
    few. Concave; expectation maximisation climbs it from equal weights and cannot overshoot.
    """
    n, k = log_density.shape
    weights = np.full(k, 1.0 / k)
    if n == 0:
        return weights
    # One factor a row changes nothing, and keeps exp() from underflowing for every surrogate.
    density = np.exp(log_density - log_density.max(1, keepdims=True))
    for _ in range(_STEPS):
        mixed = np.maximum(density @ weights, 1e-300)
        new = (weights * (density / mixed[:, None]).sum(0) + pull) / (n + k * pull)
        done = np.abs(new - weights).max() < _TOLERANCE
        weights = new
        if done:
            break
    return weights
