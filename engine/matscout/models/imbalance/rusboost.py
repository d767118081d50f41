"""Boosting on parts of equal classes, drawn at random (RUSBoost)."""

from __future__ import annotations

import numpy as np
from imblearn.ensemble import RUSBoostClassifier
from sklearn.tree import DecisionTreeClassifier

DEPTHS = (1, 2, 4, None)


class RusBoost(RUSBoostClassifier):
    """C. Seiffert et al., IEEE Trans. SMC A 40, 185 (2010), as imbalanced-learn has it.

    Its trees have one split. Where the first of them, which sees a part of the rows, errs on half of
    all rows or more, nothing can be boosted and imbalanced-learn gives up; then trees of more splits
    are.
    """

    def fit(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> RusBoost:
        for depth in DEPTHS:
            self._depth = depth
            try:
                super().fit(X, y, sample_weight)
                break
            except ValueError as error:
                if "worse than random" not in str(error) or depth is DEPTHS[-1]:
                    raise
        return self

    def _validate_estimator(self) -> None:
        super()._validate_estimator()
        if self.estimator is None:
            self.estimator_ = DecisionTreeClassifier(max_depth=self._depth)
