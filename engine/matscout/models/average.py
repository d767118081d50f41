"""The mean of several models: on small tables a few good ones are better than the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone

from matscout.models.imbalance.inner import TakesBeside, fit_beside


class AverageRegressor(RegressorMixin, BaseEstimator):
    """The mean of what `members` predict, in the target's own unit."""

    def __init__(self, members: Sequence[Any] = ()) -> None:
        self.members = members

    def fit(self, x: np.ndarray, y: np.ndarray) -> AverageRegressor:
        self.fitted_ = [clone(member).fit(x, y) for member in self.members]
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.mean([member.predict(x) for member in self.fitted_], axis=0)


class AverageClassifier(TakesBeside, ClassifierMixin, BaseEstimator):
    """The mean of the members' probabilities; all must have them."""

    def __init__(self, members: Sequence[Any] = ()) -> None:
        self.members = members

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        amounts: np.ndarray | None = None,
    ) -> AverageClassifier:
        """See `TakesBeside`."""
        self.classes_ = np.unique(y)
        self.fitted_ = [fit_beside(clone(one), x, y, groups, amounts) for one in self.members]
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, k)."""
        return np.mean([member.predict_proba(x) for member in self.fitted_], axis=0)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])
