"""Logistic regression whose penalty has the name and the sense of ridge's: `alpha`, larger is more."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression


class RidgeLogistic(ClassifierMixin, BaseEstimator):
    """scikit-learn's LogisticRegression with C = 1 / alpha (several classes: multinomial)."""

    def __init__(
        self, alpha: float = 1.0, max_iter: int = 1000, random_state: int | None = None
    ) -> None:
        self.alpha = alpha
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(
        self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> RidgeLogistic:
        # So little as 1e-12 is no penalty, and 1 / 0 no number.
        self.model_ = LogisticRegression(
            C=1.0 / max(self.alpha, 1e-12), max_iter=self.max_iter, random_state=self.random_state
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # separable rows have no optimum
            self.model_.fit(x, y, sample_weight=sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict(x))

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict_proba(x))
