"""LightGBM for small tables: one thread, the same trees every time, and a choice of losses.

G. Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017.
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from matscout.errors import InputError, did_you_mean
from matscout.models.imbalance.focal import convex_slopes

NUMBERS = {"l2": "regression", "l1": "regression_l1", "huber": "huber"}
CLASSES = ("cross_entropy", "focal")
_FIXED = {"n_jobs": 1, "deterministic": True, "force_row_wise": True, "verbose": -1}
_OWN = ("loss", "focal_gamma")


class _LightGbm(BaseEstimator):
    """LightGBM's own names and defaults but for `loss`, and for leaves of five rows instead of
    twenty, which 300 rows can hardly fill. `subsample` rows are drawn anew for each tree.
    """

    loss: str
    subsample: float
    random_state: int | None

    def _options(self) -> dict[str, Any]:
        given = {k: v for k, v in self.get_params().items() if k not in _OWN}
        return {**given, **_FIXED, "subsample_freq": int(self.subsample < 1)}


class LightGbmRegressor(RegressorMixin, _LightGbm):
    """`loss`: l2, l1 (the median, for absolute errors and heavy tails) or huber."""

    def __init__(
        self,
        loss: str = "l2",
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        num_leaves: int = 31,
        max_depth: int = -1,
        min_child_samples: int = 5,
        colsample_bytree: float = 1.0,
        subsample: float = 1.0,
        reg_alpha: float = 0.0,
        reg_lambda: float = 0.0,
        max_bin: int = 255,
        random_state: int | None = None,
    ) -> None:
        self.loss = loss
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.max_depth = max_depth
        self.min_child_samples = min_child_samples
        self.colsample_bytree = colsample_bytree
        self.subsample = subsample
        self.reg_alpha = reg_alpha
        self.reg_lambda = reg_lambda
        self.max_bin = max_bin
        self.random_state = random_state

    def fit(
        self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> LightGbmRegressor:
        if self.loss not in NUMBERS:
            raise _unknown(self.loss, NUMBERS)
        self.model_ = lightgbm.LGBMRegressor(objective=NUMBERS[self.loss], **self._options())
        self.model_.fit(x, y, sample_weight=sample_weight)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.booster_.predict(x, num_threads=1))


class LightGbmClassifier(ClassifierMixin, _LightGbm):
    """`loss`: cross_entropy, or focal with its `focal_gamma` (two classes), which begins, as
    cross-entropy does, at the shares of the classes.
    """

    def __init__(
        self,
        loss: str = "cross_entropy",
        focal_gamma: float = 2.0,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        num_leaves: int = 31,
        max_depth: int = -1,
        min_child_samples: int = 5,
        colsample_bytree: float = 1.0,
        subsample: float = 1.0,
        reg_alpha: float = 0.0,
        reg_lambda: float = 0.0,
        max_bin: int = 255,
        random_state: int | None = None,
    ) -> None:
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.max_depth = max_depth
        self.min_child_samples = min_child_samples
        self.colsample_bytree = colsample_bytree
        self.subsample = subsample
        self.reg_alpha = reg_alpha
        self.reg_lambda = reg_lambda
        self.max_bin = max_bin
        self.random_state = random_state

    def fit(
        self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> LightGbmClassifier:
        if self.loss not in CLASSES:
            raise _unknown(self.loss, CLASSES)
        self.classes_, places = np.unique(y, return_inverse=True)
        self.start_ = 0.0
        if self.loss == "cross_entropy":
            self.model_ = lightgbm.LGBMClassifier(**self._options())
            self.model_.fit(x, places, sample_weight=sample_weight)
            return self
        if len(self.classes_) != 2:
            what = f"LightGBM's focal loss is for two classes, not {len(self.classes_)}"
            raise InputError("params.loss", what, "use 'cross_entropy'")
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        share = float(np.average(places, weights=weights))
        self.start_ = float(logit(share))
        gamma = float(self.focal_gamma)

        def objective(truth: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            first, second = convex_slopes(raw, truth, gamma)
            return first * weights, second * weights

        self.model_ = lightgbm.LGBMRegressor(objective=objective, **self._options())
        start = np.full(len(y), self.start_)
        self.model_.fit(x, places, init_score=start)
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, k)."""
        said = np.asarray(self.model_.booster_.predict(x, num_threads=1))
        if said.ndim == 2:
            return said
        one = expit(said + self.start_) if self.loss == "focal" else said
        return np.column_stack([1 - one, one])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])


def _unknown(loss: str, known: Any) -> InputError:
    return InputError("params.loss", f"no loss is called '{loss}'", did_you_mean(str(loss), known))
