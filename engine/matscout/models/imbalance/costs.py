"""Decisions of least expected cost.

C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, Eq. 1 (which class to predict) and
Eq. 2 (what that is for two classes: a threshold).
"""

from __future__ import annotations

import numpy as np

from matscout.errors import InputError


def checked(costs: object, classes: int, where: str = "costs") -> np.ndarray:
    """(k, k) floats. InputError unless predicting right always costs less than predicting wrong."""
    try:
        matrix = np.asarray(costs, dtype=float)
    except (TypeError, ValueError):
        raise InputError(where, "must be a list of rows of numbers") from None
    if matrix.shape != (classes, classes) or not np.isfinite(matrix).all():
        what = f"must be {classes} rows of {classes} finite numbers, got shape {matrix.shape}"
        raise InputError(where, what, "row i, column j: predicting class i where j is true")
    wrong = matrix + np.diag(np.full(classes, np.inf))
    if not (np.diag(matrix) < wrong.min(axis=0)).all():
        what = "predicting a class rightly must cost less than predicting another for it"
        raise InputError(where, what, "let the diagonal be 0 and the rest above 0")
    return matrix


def minimum_risk(probabilities: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """(n,) classes: argmin_i Σ_j P(j | x) C[i, j] for probabilities (n, k) and costs (k, k), where
    C[i, j] is what it costs to predict i where j is true. The first of equals.
    """
    return np.asarray((probabilities @ costs.T).argmin(axis=1))


def cost_threshold(miss: float, alarm: float = 1.0) -> float:
    """The probability from which on positive is the cheaper prediction: alarm / (alarm + miss)."""
    return alarm / (alarm + miss)
