"""A weighted mean of several models, with weights learned from rows that each of them had not seen.

D. H. Wolpert, "Stacked generalization", Neural Networks 5, 241 (1992). The weights are not negative,
after L. Breiman, "Stacked regressions", Machine Learning 24, 49 (1996), who found free ones worse, and
sum to one (M. J. van der Laan, E. C. Polley & A. E. Hubbard, "Super learner", Stat. Appl. Genet. Mol.
Biol. 6, 25 (2007)): a prediction stays within those of the members, and a target in kelvin gives the
weights of the same target in degrees Celsius. Of classes, all members' probabilities of one class share
a weight (K. M. Ting & I. H. Witten, "Issues in stacked generalization", J. Artif. Intell. Res. 10, 271
(1999), regress on probabilities too).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone

from matscout.models.imbalance.inner import (
    Fold,
    TakesBeside,
    fit_beside,
    inner_folds,
    number_folds,
    out_of_fold,
)


def convex_weights(missed: np.ndarray) -> np.ndarray:
    """Weights (k,), none negative and summing to one, that make the sum of squares of `missed` @
    weights least; `missed` (n, k) is target minus prediction, of k members. One with a value that is
    not finite counts nothing, and all count alike where none is finite or none errs.
    """
    k = missed.shape[1]
    sound = np.isfinite(missed).all(axis=0)
    scale = np.linalg.norm(missed[:, sound])
    if scale == 0.0:
        return np.full(k, 1.0 / k)
    # Over u >= 0, |missed u|^2 + (1 - sum u)^2 is least at a multiple of the weights: for u = s w it
    # is f / (1 + f) at the best s, where f = |missed w|^2, and grows with f.
    found, _ = nnls(
        np.vstack([missed[:, sound] / scale, np.ones(sound.sum())]),
        np.append(np.zeros(len(missed)), 1.0),
    )
    weights = np.zeros(k)
    weights[sound] = found / found.sum()
    return weights


class _Stack(TakesBeside, BaseEstimator):
    """`members` weighed by inner out-of-fold predictions, then fitted on all rows. `weights_` (k,)
    are equal where there are too few rows for inner folds; members without weight are not fitted.
    """

    def __init__(
        self, members: Sequence[Any] = (), inner_folds: int = 5, random_state: int | None = None
    ) -> None:
        self.members = members
        self.inner_folds = inner_folds
        self.random_state = random_state

    def _learn(
        self,
        x: np.ndarray,
        y: np.ndarray,
        goal: np.ndarray,
        folds: list[Fold] | None,
        said: Callable[[Any, np.ndarray], np.ndarray],
        beside: tuple[np.ndarray | None, np.ndarray | None],
    ) -> None:
        """`goal`, (n,) or (n, classes), is what `said` should have been."""
        k = len(self.members)
        self.weights_ = np.full(k, 1.0 / k)
        if folds is not None and k > 1:
            each = [out_of_fold(one, x, y, folds, said, *beside) for one in self.members]
            self.weights_ = convex_weights(
                np.column_stack([(goal - guess).ravel() for guess in each])
            )
        self.fitted_ = [
            fit_beside(clone(one), x, y, *beside) if weight else None
            for one, weight in zip(self.members, self.weights_, strict=True)
        ]

    def _mean(self, said: Callable[[Any], np.ndarray]) -> np.ndarray:
        own = zip(self.weights_, self.fitted_, strict=True)
        return np.sum([w * said(member) for w, member in own if member is not None], axis=0)


class StackRegressor(RegressorMixin, _Stack):
    """The weighted mean of what `members` predict, in the target's own unit."""

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        amounts: np.ndarray | None = None,
    ) -> StackRegressor:
        """Inputs (n, d), targets (n,); see `TakesBeside`."""
        folds = number_folds(len(y), groups, self.inner_folds, self.random_state)
        self._learn(x, y, y, folds, lambda own, rows: own.predict(rows), (groups, amounts))
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n,)."""
        return self._mean(lambda member: np.asarray(member.predict(x), dtype=float))


class StackClassifier(ClassifierMixin, _Stack):
    """The weighted mean of the members' probabilities, which all must have; the weights make its Brier
    score least.
    """

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        amounts: np.ndarray | None = None,
    ) -> StackClassifier:
        """Inputs (n, d), labels (n,); see `TakesBeside`."""
        self.classes_ = np.unique(y)
        folds = inner_folds(y, groups, self.inner_folds, self.random_state)
        hits = (y[:, None] == self.classes_).astype(float)
        self._learn(x, y, hits, folds, lambda own, rows: own.predict_proba(rows), (groups, amounts))
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, k)."""
        return self._mean(lambda member: np.asarray(member.predict_proba(x), dtype=float))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])
