"""A Gaussian process fitted to single measurements, and standing on their means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matscout.propose.observations import Observations
from matscout.surrogate.gp import GaussianProcess, Learned
from matscout.surrogate.posterior import GpPosterior


def fit_pooled(
    process: GaussianProcess, X: Tensor, data: Observations, learned: Learned | None = None
) -> GpPosterior:
    """X (n, d) are the features of the rows of `data`. Raises FitFailed.

    Hyperparameters, the noise among them, are those of all single measurements, unless others were
    `learned`. The posterior then has one row for each point: y_i = Σ_j y_ij / n_i with the noise
    Σ_j noise_ij / n_i². Where all noise is alike that is the same posterior (the mean is sufficient),
    and leaving a row out leaves out the point: its other replicates do not tell what it is (loo.py,
    reach.py).
    """
    if not data.replicated:
        told = X, _column(data.y), _column(data.yvar)
        return process.fit(*told) if learned is None else process.given(learned, *told)
    singles = data.singles
    row = torch.from_numpy(singles.row)
    told = X[row], _column(singles.y), _column(singles.yvar)
    fitted = process.fit(*told) if learned is None else process.given(learned, *told)
    count = torch.bincount(row, minlength=len(X))
    none = torch.zeros(len(X), dtype=fitted.y.dtype)
    return replace(
        fitted,
        X=fitted.box(X),
        y=none.index_add(0, row, fitted.y) / count,
        noise=none.index_add(0, row, fitted.noise) / count.square(),
    )


def _column(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values).unsqueeze(-1)
