"""A pool as a proposer sees it: which candidates are left, and their features."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matscout.data.pool_features import PoolFeatures
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.replicates import Asked
from matscout.trial import Proposal, Trial, Value


class Candidates:
    """Rows of one pool. Every method speaks of row numbers; ids go in and out.

    Whatever the features are, `unit` is for Gaussian processes and all that measures distances,
    `table` for trees. InputError names a candidate whose features cannot be read.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._seen = PoolFeatures(pool)

    def rows(self, trials: Iterable[Trial]) -> list[int]:
        """The rows of those trials whose candidates are in the pool, in the order of the trials."""
        return [
            self.pool.row(t.candidate)
            for t in trials
            if t.candidate is not None and t.candidate in self.pool
        ]

    def free(self, history: History) -> NDArray[np.bool_]:
        """Which rows were never asked for (or withdrawn since), (n_candidates,)."""
        free = np.ones(len(self.pool), dtype=bool)
        free[self.rows(history.asked_for)] = False
        return free

    def asked(self, history: History) -> Asked:
        """How often each candidate was asked for, and what came of it."""
        known = [
            t for t in history.asked_for if t.candidate is not None and t.candidate in self.pool
        ]
        return Asked.of(len(self.pool), known, self.rows(known))

    @property
    def features(self) -> NDArray[np.float64]:
        """The features that are numbers, (n_candidates, n_numbers), finite, in their own units."""
        return self._seen.numbers

    @cached_property
    def unit(self) -> NDArray[np.float64]:
        """(n_candidates, D): numbers min-max scaled over the pool, categories one-hot / √2, formulas
        as standardised statistics and element fractions, structures as standardised descriptors
        (data/pool_features.py). What does not vary is left out.
        """
        return np.hstack([np.zeros((len(self.pool), 0)), *self._seen.blocks])

    @cached_property
    def groups(self) -> list[int]:
        """(D,): which block of features a column of `unit` belongs to, counted from 0. Columns of
        one group (one category, the statistics of one formula, its fractions, one structure) are
        meant to share a lengthscale.
        """
        return [k for k, block in enumerate(self._seen.blocks) for _ in range(block.shape[1])]

    @property
    def table(self) -> NDArray[np.float64]:
        """(n_candidates, D2): numbers as they are, categories one-hot, formulas as composition
        statistics and element fractions, structures as crystal features.
        """
        return self._seen.table

    def proposal(self, row: int, why: dict[str, Value]) -> Proposal:
        candidate = self.pool.ids[row]
        return Proposal(self.pool.params(candidate), candidate, why)
