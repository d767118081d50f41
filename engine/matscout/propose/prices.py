"""What each experiment costs, from a column of the pool."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError, did_you_mean
from matscout.pool import Pool


def prices_of(pool: Pool, column: str) -> NDArray[np.float64]:
    """(n_candidates,), in the column's own unit. InputError unless all are numbers above 0."""
    if column not in pool.columns:
        mend = did_you_mean(column, pool.columns)
        raise InputError("proposer.cost", f"no column {column!r} in the pool", mend)
    prices = []
    for candidate, price in zip(pool.ids, pool.columns[column], strict=True):
        number = isinstance(price, int | float) and not isinstance(price, bool)
        if not (number and 0 < float(price) < math.inf):
            what = f"candidate {candidate!r} has {price!r}, but a cost must be a number above 0"
            raise InputError(f"space.pool.{column}", what)
        prices.append(float(price))
    return np.array(prices)
