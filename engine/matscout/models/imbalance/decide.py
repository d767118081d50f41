"""A classifier around a classifier: calibrated probabilities, and labels by a threshold of its own.

Both are learned from inner out-of-fold predictions; the model itself is then fitted on all training
rows. That the threshold, not the sample, is what mostly needs mending under imbalance: F. Provost,
"Machine learning from imbalanced data sets 101", AAAI workshop 2000.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.metaestimators import available_if

from matscout.errors import InputError
from matscout.models.imbalance.calibrate import calibrator
from matscout.models.imbalance.costs import checked, minimum_risk
from matscout.models.imbalance.inner import TakesBeside, fit_beside, inner_folds, out_of_fold
from matscout.models.imbalance.threshold import chosen


class DecisionWarning(UserWarning):
    """Too few rows of a class to calibrate or to tune a threshold on."""


def _has_probabilities(self: Any) -> bool:
    return self.calibrate != "none" or hasattr(self.estimator, "predict_proba")


class Decided(TakesBeside, ClassifierMixin, BaseEstimator):
    """`estimator`, its scores calibrated (none, sigmoid, isotonic) and cut (half, tuned, halfway,
    cost) as `DecisionSettings` says. Thresholds are for two classes; with `costs` (k, k), what
    predicting class i costs where j is true, `cost` takes the class of least risk among k.

    Where the rarest class has too few rows (or groups) for two inner folds, nothing is tuned: the
    labels are those at one half, with a `DecisionWarning`.
    """

    def __init__(
        self,
        estimator: Any,
        calibrate: str = "none",
        threshold: str = "half",
        threshold_metric: str = "balanced_accuracy",
        miss_cost: float = 1.0,
        costs: Sequence[Sequence[float]] | None = None,
        inner_folds: int = 5,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.calibrate = calibrate
        self.threshold = threshold
        self.threshold_metric = threshold_metric
        self.miss_cost = miss_cost
        self.costs = costs
        self.inner_folds = inner_folds
        self.random_state = random_state

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        amounts: np.ndarray | None = None,
    ) -> Decided:
        """Inputs (n, d), labels (n,); see `TakesBeside`. InputError for a threshold of more than two
        classes, and for one by cost of scores that are no probabilities.
        """
        self.classes_ = np.unique(y)
        self._check()
        self.calibrators_: list[Any] = []
        self.threshold_ = self._middle
        if self.calibrate != "none" or self.threshold in ("tuned", "halfway"):
            folds = inner_folds(y, groups, self.inner_folds, self.random_state)
            if folds is None:
                what = "too few rows of a class for inner folds: not calibrated, cut at one half"
                warnings.warn(what, DecisionWarning, stacklevel=2)
                if self.calibrate != "none" and not hasattr(self.estimator, "predict_proba"):
                    self.calibrators_ = [expit]  # of a score without ends; its 0 is one half
            else:
                self._learn(out_of_fold(self.estimator, x, y, folds, _scores, groups, amounts), y)
        if self.threshold == "cost":
            self.threshold_ = chosen(
                "cost", y, y, metric=self.threshold_metric, miss_cost=self.miss_cost
            )
        self.fitted_ = fit_beside(clone(self.estimator), x, y, groups, amounts)
        return self

    @available_if(_has_probabilities)
    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, k)."""
        return self._calibrated(_scores(self.fitted_, x))

    @available_if(lambda self: not _has_probabilities(self))
    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.fitted_.decision_function(x))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n,) labels."""
        said = self._calibrated(_scores(self.fitted_, x))
        if self.costs is not None and self.threshold == "cost":
            return np.asarray(self.classes_[minimum_risk(said, self.costs_)])
        if len(self.classes_) > 2:
            return np.asarray(self.classes_[said.argmax(axis=1)])
        score = said[:, 1] if said.ndim == 2 else said
        return np.asarray(self.classes_[(score >= self.threshold_).astype(int)])

    @property
    def _middle(self) -> float:
        """Where a label changes when nobody tunes: one half, or 0 on a scale without ends."""
        return 0.5 if _has_probabilities(self) else 0.0

    def _check(self) -> None:
        if self.costs is not None:
            self.costs_ = checked(self.costs, len(self.classes_), "params.costs")
            if self.threshold != "cost":
                what = f"are not used under threshold = '{self.threshold}'"
                raise InputError("params.costs", what, "use threshold = 'cost'")
        elif self.threshold != "half" and len(self.classes_) != 2:
            what = f"'{self.threshold}' is for two classes, not {len(self.classes_)}"
            raise InputError("params.threshold", what, "use 'half'")
        if self.threshold == "cost" and not _has_probabilities(self):
            what = "'cost' needs probabilities, and this model has none"
            raise InputError("params.threshold", what, "add calibrate = 'sigmoid'")

    def _learn(self, said: np.ndarray, y: np.ndarray) -> None:
        if self.calibrate != "none":
            probabilities = hasattr(self.estimator, "predict_proba")
            columns = said[:, None] if said.ndim == 1 else said
            if len(self.classes_) == 2:
                columns = columns[:, -1:]
            own = self.classes_[-columns.shape[1] :]
            self.calibrators_ = [
                calibrator(
                    self.calibrate, column, (y == label).astype(int), probabilities=probabilities
                )
                for label, column in zip(own, columns.T, strict=True)
            ]
        if self.threshold in ("tuned", "halfway"):
            scores = self._calibrated(said)
            self.threshold_ = chosen(
                self.threshold,
                scores[:, 1] if scores.ndim == 2 else scores,
                (y == self.classes_[1]).astype(int),
                metric=self.threshold_metric, miss_cost=self.miss_cost, middle=self._middle,
            )  # fmt: skip

    def _calibrated(self, said: np.ndarray) -> np.ndarray:
        """(n, k) probabilities; scores as they are where there are none."""
        if not self.calibrators_:
            return said
        if len(self.calibrators_) == 1:
            one = self.calibrators_[0](said[:, 1] if said.ndim == 2 else said)
            return np.column_stack([1 - one, one])
        each = np.column_stack(
            [own(column) for own, column in zip(self.calibrators_, said.T, strict=True)]
        )
        total = each.sum(axis=1, keepdims=True)
        return np.where(total > 0, each / np.where(total > 0, total, 1.0), 1 / each.shape[1])


def _scores(fitted: Any, x: np.ndarray) -> np.ndarray:
    """Probabilities (n, k), or the decision function, (n,) or (n, k)."""
    if hasattr(fitted, "predict_proba"):
        return np.asarray(fitted.predict_proba(x), dtype=float)
    return np.asarray(fitted.decision_function(x), dtype=float)
