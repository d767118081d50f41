"""A classifier that learns the number behind the label, and where it was cut.

Rows far from the cut teach as much as rows next to it, which their labels alone cannot. Where some
tenth of the rows is positive it was the best of many techniques on hardness and ionic conductivity;
at 1 % it is of no use, for a regressor's predictions hardly reach so far.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import KFold

from matscout.errors import InputError
from matscout.models.imbalance.calibrate import Sigmoid
from matscout.models.imbalance.inner import TakesBeside, fit_beside, inner_folds, out_of_fold


class RegressAndCut(TakesBeside, ClassifierMixin, BaseEstimator):
    """P(positive) is a sigmoid of what `regressor` predicts, fitted on inner out-of-fold predictions;
    two classes. Without `amounts` the labels 0 and 1 themselves are regressed.
    """

    def __init__(
        self, regressor: Any, inner_folds: int = 5, random_state: int | None = None
    ) -> None:
        self.regressor = regressor
        self.inner_folds = inner_folds
        self.random_state = random_state

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        amounts: np.ndarray | None = None,
    ) -> RegressAndCut:
        """Inputs (n, d), two labels (n,), amounts (n,). InputError where no cut of the amounts gives
        the labels.
        """
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            what = f"regress_and_cut is for two classes, not {len(self.classes_)}"
            raise InputError("model", what, "use another model")
        positive = y == self.classes_[1]
        goal = positive.astype(float) if amounts is None else np.asarray(amounts, dtype=float)
        self.sign_ = _direction(goal, positive)
        folds = inner_folds(positive, groups, self.inner_folds, self.random_state)
        if folds is None:  # one positive row: any folds will do, a sigmoid of them is nearly flat
            maker = KFold(
                min(self.inner_folds, len(y)), shuffle=True, random_state=self.random_state
            )
            folds = list(maker.split(x))
        said = out_of_fold(
            self.regressor, x, goal, folds, lambda own, rows: own.predict(rows), groups
        )
        self.sigmoid_ = Sigmoid(self.sign_ * said, positive.astype(int), probabilities=False)
        self.fitted_ = fit_beside(clone(self.regressor), x, goal, groups)
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, 2)."""
        one = self.sigmoid_(self.sign_ * np.asarray(self.fitted_.predict(x), dtype=float))
        return np.column_stack([1 - one, one])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[(self.predict_proba(x)[:, 1] >= 0.5).astype(int)])


def _direction(amounts: np.ndarray, positive: np.ndarray) -> float:
    """+1 where the positives lie above the cut, else -1."""
    if amounts[positive].min() >= amounts[~positive].max():
        return 1.0
    if amounts[positive].max() <= amounts[~positive].min():
        return -1.0
    raise InputError("amounts", "no cut of them gives these labels", "cut the same column")
