"""How good a model is that learned from chosen labels: one judge for every arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.metrics import average_precision_score

from matscout.pool import Pool
from matscout.propose.candidates import Candidates

CHECKPOINTS = 6
"""Points of a learning curve, evenly from the start to the whole budget."""

_TREES = 200


@dataclass(frozen=True)
class Evaluator:
    """Extra trees with their defaults, fitted to the chosen labels and judged on rows that nobody
    may choose: PR-AUC of the positive class where there is a `limit` (larger is better), else minus
    the root mean squared error. The same for every arm, so that an arm is not judged by its own
    surrogate. `y` (len(rows),) counts up.
    """

    pool: Pool
    rows: NDArray[np.intp]
    y: NDArray[np.float64]
    limit: float | None

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        return Candidates(self.pool).table

    def quality(self, chosen: Sequence[int], y: NDArray[np.float64]) -> float:
        """Of a model of `chosen` (rows of the whole pool) with values `y`; NaN if undefined."""
        X, X_test = self._table[list(chosen)], self._table[self.rows]
        if self.limit is None:
            forest = ExtraTreesRegressor(_TREES, random_state=0).fit(X, y)
            wrong = forest.predict(X_test) - self.y
            size = float(np.abs(wrong).max()) or 1.0  # squares of values near 1e300 would overflow
            return -size * float(np.sqrt(np.mean(np.square(wrong / size))))
        positive, truth = y >= self.limit, self.y >= self.limit
        if not truth.any():
            return float("nan")
        if positive.all() or not positive.any():
            return float(truth.mean())  # what any ranking without knowledge scores on average
        trees = ExtraTreesClassifier(_TREES, random_state=0).fit(X, positive)
        return float(average_precision_score(truth, trees.predict_proba(X_test)[:, 1]))


def learned(
    judge: Evaluator, pool: Pool, order: Sequence[int], y: NDArray[np.float64], init: int
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Labels and quality at each checkpoint; `order` and `y` are by rows of `pool`."""
    whole = [judge.pool.row(candidate) for candidate in pool.ids]
    labels = [int(n) for n in np.linspace(init, len(order), CHECKPOINTS).round()]
    known = {
        n: judge.quality([whole[r] for r in order[:n]], y[list(order[:n])]) for n in set(labels)
    }
    # As many for every seed, though some are the same where the budget is small.
    return tuple(labels), tuple(known[n] for n in labels)
