"""From scores to probabilities, fitted on predictions for rows that the model had not seen."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

_EDGE = 1e-6
"""Probabilities are held so far from 0 and 1 before their logit is taken."""


class Calibrator(Protocol):
    """Increasing, so that it ranks as the score did (isotonic ones tie what they cannot order)."""

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """(n,) probabilities of (n,) scores."""


class Sigmoid:
    """1 / (1 + exp(A s + B)). J. Platt, "Probabilistic outputs for support vector machines" (1999),
    Eq. 1, with his targets (N+ + 1)/(N+ + 2) and 1/(N- + 2) for 1 and 0.

    The score of a probability is its logit: a calibrated model then keeps its probabilities
    (A = -1, B = 0), which a sigmoid of probabilities themselves cannot.
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray, *, probabilities: bool) -> None:
        """Scores (n,), labels (n,) of 0 and 1."""
        self._probabilities = probabilities
        shown = self._shown(scores)
        self._shift, self._scale = float(shown.mean()), float(shown.std()) or 1.0
        ones = int(labels.sum())
        high, low = (ones + 1) / (ones + 2), 1 / (len(labels) - ones + 2)
        target = np.where(labels == 1, high, low)
        column = ((shown - self._shift) / self._scale)[:, None]
        # A target of .9 is nine tenths of a row of class 1 and one of class 0.
        fit = LogisticRegression(C=np.inf).fit(
            np.vstack([column, column]),
            np.repeat([1, 0], len(labels)),
            sample_weight=np.concatenate([target, 1 - target]),
        )
        # A score that ranks worse than chance says nothing; it must not turn the ranking round.
        self.slope = max(float(fit.coef_[0, 0]), 0.0)
        self.offset = float(fit.intercept_[0]) if self.slope else float(logit(target.mean()))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        shown = (self._shown(scores) - self._shift) / self._scale
        return np.asarray(expit(self.slope * shown + self.offset))

    def _shown(self, scores: np.ndarray) -> np.ndarray:
        if not self._probabilities:
            return np.asarray(scores, dtype=float)
        return np.asarray(logit(np.clip(scores, _EDGE, 1 - _EDGE)))


class Isotonic:
    """The best increasing steps: B. Zadrozny & C. Elkan, KDD 2002, section 3.2. Needs more rows than
    a sigmoid (Niculescu-Mizil & Caruana, ICML 2005: below some 1,000 it overfits).
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray) -> None:
        self._steps = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        self._steps.fit(scores, labels)

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return np.asarray(self._steps.predict(scores))


def calibrator(
    kind: str, scores: np.ndarray, labels: np.ndarray, *, probabilities: bool
) -> Calibrator:
    """`kind`: sigmoid or isotonic; scores and labels (0, 1), both (n,)."""
    if kind == "isotonic":
        return Isotonic(scores, labels)
    return Sigmoid(scores, labels, probabilities=probabilities)
