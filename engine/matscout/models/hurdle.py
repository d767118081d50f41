"""Two models for a target that is often exactly one value: whether it is, and what it is if not.

J. Mullahy, "Specification and testing of some modified count data models", J. Econometrics 33, 341
(1986). A band gap is 0 in every metal: one regressor either smears that over the small gaps, or, under
absolute error, says 0 for everything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone

from matscout.models.imbalance.inner import TakesBeside, fit_beside

RULES = ("gate", "expected")


class Hurdle(TakesBeside, RegressorMixin, BaseEstimator):
    """`classifier` says whether a target is the atom, `regressor` (fitted on the others alone) what it
    is otherwise. `combine`: gate takes the regressor's word where the classifier's label says so, and
    the atom elsewhere (near the median, for absolute errors); expected mixes both by probability
    (the mean, for squared ones).

    `gate_at` is the probability from which the gate is open. At 0.5 the classifier's own label is
    taken. Of absolute errors the best is above one half: a wrong atom costs |y|, a wrong value v
    costs v, and a right one still costs |y - v|.

    The atom is the commonest value of the training targets; where it is rarer than `least` of the
    rows there is none, and the regressor is alone.
    """

    def __init__(
        self,
        classifier: Any,
        regressor: Any,
        combine: str = "gate",
        least: float = 0.05,
        gate_at: float = 0.5,
    ) -> None:
        self.classifier = classifier
        self.regressor = regressor
        self.combine = combine
        self.least = least
        self.gate_at = gate_at

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray | None = None,
        amounts: np.ndarray | None = None,
    ) -> Hurdle:
        """Inputs (n, d), targets (n,). `groups` (n,), or None, are kept whole where either model has
        inner folds; `amounts` they do not need."""
        values, counts = np.unique(y, return_counts=True)
        self.atom_ = float(values[counts.argmax()])
        beyond = y != self.atom_
        self.classifier_, self.regressor_ = None, None
        if counts.max() < max(self.least * len(y), 2):
            self.regressor_ = fit_beside(clone(self.regressor), x, y, groups)
            return self
        if beyond.any():
            self.classifier_ = fit_beside(clone(self.classifier), x, beyond.astype(int), groups)
        if beyond.sum() >= 2:
            own = None if groups is None else groups[beyond]
            self.regressor_ = fit_beside(clone(self.regressor), x[beyond], y[beyond], own)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n,)."""
        if self.regressor_ is None:  # (nearly) every row is the atom
            return np.full(len(x), self.atom_)
        value = np.asarray(self.regressor_.predict(x), dtype=float)
        if self.classifier_ is None:
            return value
        if self.combine == "gate" and self.gate_at == 0.5:
            return np.where(self.classifier_.predict(x) == 1, value, self.atom_)
        chance = np.asarray(self.classifier_.predict_proba(x)[:, 1], dtype=float)
        if self.combine == "expected":
            return chance * value + (1 - chance) * self.atom_
        return np.where(chance >= self.gate_at, value, self.atom_)
