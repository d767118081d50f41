"""An estimator whose training rows do not all count alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter

from matscout.errors import InputError
from matscout.models.imbalance.weights import row_weights


def _has(name: str) -> Any:
    return available_if(lambda self: hasattr(self.estimator, name))


class _Weighted(BaseEstimator):
    """`weights` and `bins` are those of `WeightSettings`: computed from the targets that `fit` sees,
    on the scale that they have there, and after any resampling.
    """

    def __init__(self, estimator: Any, weights: str = "balanced", bins: int = 10) -> None:
        self.estimator = estimator
        self.weights = weights
        self.bins = bins

    def _fitted(self, x: np.ndarray, y: np.ndarray, *, classes: bool) -> Any:
        own = row_weights(self.weights, y, classes=classes, bins=self.bins)
        return clone(self.estimator).fit(x, y, sample_weight=own)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.fitted_.predict(x))


class WeightedRegressor(RegressorMixin, _Weighted):
    def fit(self, x: np.ndarray, y: np.ndarray) -> WeightedRegressor:
        self.fitted_ = self._fitted(x, y, classes=False)
        return self


class WeightedClassifier(ClassifierMixin, _Weighted):
    def fit(self, x: np.ndarray, y: np.ndarray) -> WeightedClassifier:
        self.fitted_ = self._fitted(x, y, classes=True)
        self.classes_ = self.fitted_.classes_
        return self

    @_has("predict_proba")
    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.fitted_.predict_proba(x))

    @_has("decision_function")
    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.fitted_.decision_function(x))


def weighted(estimator: Any, model: str, kind: str, bins: int, *, classes: bool) -> Any:
    """`estimator` with those weights; itself for `none`. InputError where it takes no weights."""
    if kind == "none":
        return estimator
    if not has_fit_parameter(estimator, "sample_weight"):
        raise InputError("params.weights", f"{model} takes no weights", "use 'none'")
    wrapper = WeightedClassifier if classes else WeightedRegressor
    return wrapper(estimator, kind, bins)
