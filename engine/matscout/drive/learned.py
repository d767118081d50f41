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

TENTHS = 10

_TREES = 200

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """A learning curve. `quality` after so many `labels`, larger is better: PR-AUC, or minus the
    RMSE. Of a quantity also the RMSE itself: `tail` (checkpoints,) of the outer tenths together, the
    lowest and the highest of the target, and `tenths` (10,) of each tenth at the end, from the worst
    to the best; NaN where there are fewer rows than tenths. Empty for a class.
    """

    labels: tuple[int, ...] = ()
    quality: tuple[float, ...] = ()
    tail: tuple[float, ...] = ()
    tenths: tuple[float, ...] = ()


@dataclass(frozen=True)
class Evaluator:
    """Extra trees with their defaults, fitted to the chosen labels and judged on rows that nobody
    may choose: PR-AUC of the positive class where there is a `limit` (larger is better), else minus
    the root mean squared error. The same for every arm, so that an arm is not judged by its own
    surrogate. `y` (len(rows),) counts up.
    """

    pool: Pool
    rows: NDArray[np.intp]
    y: Array
    limit: float | None

    @cached_property
    def _table(self) -> Array:
        return Candidates(self.pool).table

    def quality(self, chosen: Sequence[int], y: Array) -> float:
        """Of a model of `chosen` (rows of the whole pool) with values `y`; NaN if undefined."""
        if self.limit is None:
            return -_rmse(self.errors(chosen, y))
        X, X_test = self._table[list(chosen)], self._table[self.rows]
        positive, truth = y >= self.limit, self.y >= self.limit
        if not truth.any():
            return float("nan")
        if positive.all() or not positive.any():
            return float(truth.mean())  # what any ranking without knowledge scores on average
        trees = ExtraTreesClassifier(_TREES, random_state=0).fit(X, positive)
        return float(average_precision_score(truth, trees.predict_proba(X_test)[:, 1]))

    def errors(self, chosen: Sequence[int], y: Array) -> Array:
        """(len(rows),) predicted minus true, of a regression."""
        forest = ExtraTreesRegressor(_TREES, random_state=0).fit(self._table[list(chosen)], y)
        return np.asarray(forest.predict(self._table[self.rows]) - self.y)

    @cached_property
    def tenths(self) -> list[NDArray[np.intp]]:
        """Places in `rows`, in ten parts by the target; ties in the order of the rows."""
        return np.array_split(np.argsort(self.y, kind="stable"), TENTHS)


def learned(judge: Evaluator, pool: Pool, order: Sequence[int], y: Array, init: int) -> Learned:
    """At each checkpoint; `order` and `y` are by rows of `pool`."""
    whole = [judge.pool.row(candidate) for candidate in pool.ids]
    labels = [int(n) for n in np.linspace(init, len(order), CHECKPOINTS).round()]
    # As many for every seed, though some are the same where the budget is small.
    known = {n: ([whole[r] for r in order[:n]], y[list(order[:n])]) for n in set(labels)}
    if judge.limit is not None:
        quality = {n: judge.quality(*part) for n, part in known.items()}
        return Learned(tuple(labels), tuple(quality[n] for n in labels))
    errors = {n: judge.errors(*part) for n, part in known.items()}
    outer = np.concatenate([judge.tenths[0], judge.tenths[-1]])
    return Learned(
        tuple(labels),
        tuple(-_rmse(errors[n]) for n in labels),
        tuple(_rmse(errors[n][outer]) for n in labels),
        tuple(_rmse(errors[labels[-1]][part]) for part in judge.tenths),
    )


def _rmse(errors: Array) -> float:
    if not len(errors):
        return float("nan")
    size = float(np.abs(errors).max()) or 1.0  # squares of values near 1e300 would overflow
    return size * float(np.sqrt(np.mean(np.square(errors / size))))
