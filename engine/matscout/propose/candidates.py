"""A pool as a proposer sees it: which candidates are left, and their features."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError
from matscout.history import History
from matscout.pool import Pool
from matscout.trial import Proposal, Value


class Candidates:
    """Rows of one pool. Every method speaks of row numbers; ids go in and out."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def free(self, history: History) -> NDArray[np.bool_]:
        """Which rows were never asked for, (n_candidates,)."""
        free = np.ones(len(self.pool), dtype=bool)
        rows = [
            self.pool.row(t.candidate)
            for t in history.trials
            if t.candidate is not None and t.candidate in self.pool
        ]
        free[rows] = False
        return free

    @cached_property
    def features(self) -> NDArray[np.float64]:
        """(n_candidates, n_features), finite; InputError names what is not."""
        matrix = self.pool.matrix
        bad = np.argwhere(~np.isfinite(matrix))
        if len(bad):
            row, column = bad[0].tolist()
            raise InputError(
                f"space.pool.{self.pool.features[column]}",
                f"candidate {self.pool.ids[row]!r} has {matrix[row, column]}",
                "features must be finite numbers",
            )
        return matrix

    @cached_property
    def unit(self) -> NDArray[np.float64]:
        """Features min-max scaled over the pool; those that do not vary are left out."""
        low, high = self.features.min(axis=0), self.features.max(axis=0)
        varies = high > low
        width = (high - low)[varies]
        return np.asarray((self.features[:, varies] - low[varies]) / width)

    def proposal(self, row: int, why: dict[str, Value]) -> Proposal:
        candidate = self.pool.ids[row]
        return Proposal(self.pool.params(candidate), candidate, why)
