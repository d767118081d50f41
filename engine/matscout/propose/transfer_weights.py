"""How far each earlier run is to be trusted: by how well its model ranks what has been measured here.

Feurer, Letham, Bakshy 2018, "Practical Transfer Learning for Bayesian Optimization" (arXiv
1802.02219): the ranking-weighted Gaussian process ensemble, RGPE. Ranks and not values: runs on other
data differ in scale and offset, and a search needs to know only what is better than what.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from linear_operator.utils.cholesky import psd_safe_cholesky
from linear_operator.utils.errors import NanError, NotPSDError
from numpy.typing import NDArray
from torch import Tensor

from matscout.acquire.gp_joint import GpJoint
from matscout.propose.transfer_prior import PriorBelief
from matscout.surrogate.base import FitFailed
from matscout.surrogate.posterior import GpPosterior

DRAWS = 256
"""Joint draws of each model at the measured points. A weight is a share of them, so its standard error
is 0.03 at most."""

MOST_ROWS = 100
"""Measured points that are ranked at most, the newest: the work grows with the square of them, and
where there are so many the model of this run knows more than any other."""

_JITTER = 1e-10


def ranking_weights(
    target: GpPosterior,
    priors: Sequence[PriorBelief],
    X: Tensor,
    y: NDArray[np.float64],
    left: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(len(priors) + 1,), summing to one; the last is the weight of `target`, this run's own model.

    `target` stands on the rows X (n, D) with the values y (n,), of which more is better; nothing may
    be believed yet. `left` is the share of the budget that is left.

    In each draw, the models that misrank the fewest pairs of measured points share its vote; this
    run's own is judged with each point left out in turn, and wins ties. Against the dilution of the
    weights by many poor models, a model is kept with the probability (1 - t/T) · P(it ranks better
    than this run's own): one that misleads goes to zero, and all do as the budget comes to an end.
    """
    newest = slice(max(len(y) - MOST_ROWS, 0), None)
    own = _own_losses(target, newest, y, rng)
    losses = [_losses(_draws(p.posterior, p.at(X[newest]), rng), y[newest]) for p in priors]
    kept = [
        loss if rng.random() < left * float(np.mean(loss < own)) else np.full(DRAWS, np.inf)
        for loss in losses
    ]
    return _votes(np.array([*kept, own], dtype=float))


def _votes(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """(models, draws) -> (models,): the share of draws that each wins. The last wins its ties, others
    share theirs."""
    best = losses == losses.min(axis=0)
    best[:-1, best[-1]] = False
    return np.asarray((best / best.sum(axis=0)).mean(axis=1))


def _losses(draws: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, n) -> (S,): misranked pairs, the sum over j and k of [f_j < f_k] xor [y_j < y_k]."""
    right = y[:, None] < y[None, :]
    said = draws[:, :, None] < draws[:, None, :]
    return np.asarray((said != right).sum(axis=(1, 2)), dtype=float)


def _cholesky(covariance: Tensor) -> Tensor:
    """Of a positive definite matrix (n, n), or nearly so. Raises FitFailed."""
    try:
        return psd_safe_cholesky(covariance + _JITTER * torch.eye(len(covariance)).to(covariance))
    except (NotPSDError, NanError) as error:
        raise FitFailed(str(error)) from error


def _draws(posterior: GpPosterior, X: Tensor, rng: np.random.Generator) -> NDArray[np.float64]:
    """(S, n) joint draws of the noise-free values at X (n, d)."""
    with torch.no_grad():
        mean, _ = posterior.mean_sd(X)
        covariance = GpJoint(posterior).covariance(X, X)
        root = _cholesky(covariance)
    drawn: NDArray[np.float64] = mean.numpy() + _normal(rng, len(X)) @ root.numpy().T
    return drawn


def _own_losses(
    target: GpPosterior, rows: slice, y: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """As `_losses`, of the posterior with row j left out, for each j, at row j against all others.

    With c_j = K(X, X) K_n⁻¹ e_j, leaving row j out moves the mean by -c_j [K_n⁻¹y]_j / [K_n⁻¹]_jj and
    adds c_j c_j' / [K_n⁻¹]_jj to the covariance (the partitioned inverse; Rasmussen and Williams 2006,
    section 5.4.2). So one draw of all rows and one number for each j make a joint draw.
    """
    inside = target.standardised
    root, weights = inside._solved
    with torch.no_grad():
        share = inside.kernel.forward(inside.X, inside.X) @ root.mT @ root
        precision = root.square().sum(0)
        here = inside.kernel.forward(inside.X, inside.X) - share @ inside.kernel.forward(
            inside.X, inside.X
        )
        factor = _cholesky(here)
        mean = share @ inside.y
    moved, spread = (weights / precision).numpy(), precision.rsqrt().numpy()
    influence = share.numpy()[rows, rows]  # (k, j)
    alone = (mean.numpy() + _normal(rng, len(y)) @ factor.numpy().T)[:, rows]  # (S, k)
    shift = spread[rows] * _normal(rng, len(alone.T)) - moved[rows]  # (S, j)
    part = y[rows]
    lost = np.zeros(DRAWS)
    for j in range(len(part)):
        without = alone + shift[:, j : j + 1] * influence[:, j]
        said = without[:, j : j + 1] < without
        lost += (said != (part[j] < part)).sum(axis=1)
    return lost


def _normal(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return rng.standard_normal((DRAWS, n))
