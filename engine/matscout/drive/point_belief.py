"""What a plain Gaussian process believes about points of a space of parameters."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from matscout.history import History
from matscout.propose.encode import Encoding
from matscout.propose.observations import of_pool
from matscout.propose.pooled_fit import fit_pooled
from matscout.propose.sampling import canonical
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.reach import interval

Array = NDArray[np.float64]

_LEAST_DATA = 3
"""Values below which a fitted Gaussian process only repeats its prior."""


def outlook_at(
    space: Space, history: History, rows: Array
) -> tuple[Array, Array, Array, Array] | None:
    """Mean, sd and the bounds of a new measurement with 90 % probability, (n,) each, of the first
    target in its unit, at encoded `rows` (n, d). None while there is too little data.

    Only what was really measured is learned from: what a proposer assumes about failures belongs to
    the choice, not to the forecast.
    """
    target = history.targets[0]
    data = of_pool(history, target)
    if len(data.y) < _LEAST_DATA:
        return None
    encoding = Encoding(space)
    X = encoding.rows([canonical(space, t.params) for t in data.trials])
    try:
        posterior = fit_pooled(GaussianProcess(groups=encoding.groups), torch.from_numpy(X), data)
        better, sd, half = interval(posterior, torch.from_numpy(rows))
    except FitFailed:
        return None
    mean = target.sign * better
    return mean, sd, mean - half, mean + half
