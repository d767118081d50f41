"""Random forests with the infinitesimal jackknife (Wager, Hastie, Efron, JMLR 15, 1625 (2014))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from matscout.models.inputs import ColumnInputs, Inputs
from matscout.models.uncertainty.belief import Belief, check_rows, least_variance
from matscout.models.uncertainty.quantile_forest import grown, table_of


@dataclass(frozen=True)
class JackknifeForest:
    """A random forest (Breiman 2001). Epistemic is the sampling variance of its mean, had other
    rows been drawn; aleatoric is what its out-of-bag errors hold beyond that, one number for all.

    The estimate needs about as many trees as rows, else Monte Carlo noise drowns it (section 3);
    `trees` is raised to the number of rows.
    """

    trees: int = 300
    min_leaf: int = 1
    max_features: float = 1.0 / 3.0
    seed: int = 0

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> FittedJackknife:
        table = table_of(X)
        y = check_rows(ColumnInputs.of(table), y)
        trees = max(self.trees, len(y))
        forest = grown(table, y, trees, self.min_leaf, self.max_features, self.seed)
        drawn = np.stack([np.bincount(s, minlength=len(y)) for s in forest.estimators_samples_])
        bare = FittedJackknife(forest, drawn, 0.0)
        return FittedJackknife(forest, drawn, _noise(bare, table, y))


@dataclass(frozen=True)
class FittedJackknife:
    """drawn (T, n): how often each tree's bag holds each row. `noise` is a variance."""

    forest: RandomForestRegressor
    drawn: np.ndarray
    noise: float

    def predict(self, X: Inputs | np.ndarray) -> Belief:
        votes = self.votes(table_of(X))
        variance = infinitesimal_jackknife(votes, self.drawn)
        return Belief(votes.mean(0), np.sqrt(variance), np.full(votes.shape[1], self.noise**0.5))

    def votes(self, table: np.ndarray) -> np.ndarray:
        """Each tree's prediction: (b, d) -> (T, b)."""
        trees: Any = self.forest.estimators_
        return np.stack([tree.predict(table.astype(np.float32)) for tree in trees])


def infinitesimal_jackknife(votes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Variance of the mean of T votes (T, b) on bags drawn (T, n): (b,).

    Equation 5, the sum over rows of cov(count, vote)², less its Monte Carlo bias, equation 7. What
    would fall below the Monte Carlo variance of the mean itself, which is sure, is held there.
    """
    count = len(votes)
    about = votes - votes.mean(0)
    covariance = (drawn - 1.0).T @ about / count  # (n, b)
    between = np.square(about).sum(0)
    unbiased = np.square(covariance).sum(0) - drawn.shape[1] / count**2 * between
    return np.maximum(unbiased, between / count / max(count - 1, 1))


def _noise(fitted: FittedJackknife, table: np.ndarray, y: np.ndarray) -> float:
    """Mean squared out-of-bag error less the mean epistemic variance there; at least a hundredth of
    the former, for errors that the forest explains wholly are none that it has overcome; and never
    less than `least_variance`.
    """
    votes = fitted.votes(table)
    out = fitted.drawn == 0  # (T, n)
    seen = out.sum(0) > 0
    if not seen.any():
        return max(float(y.var()), least_variance(y))
    mean = (votes * out).sum(0)[seen] / out.sum(0)[seen]
    error = float(np.square(y[seen] - mean).mean())
    epistemic = float(infinitesimal_jackknife(votes, fitted.drawn)[seen].mean())
    return max(error - epistemic, 0.01 * error, least_variance(y))
