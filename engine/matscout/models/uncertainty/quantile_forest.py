"""Quantile regression forests (Meinshausen, JMLR 7, 983 (2006)): the whole distribution of y."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from sklearn.ensemble import RandomForestRegressor

from matscout.models.inputs import ColumnInputs, Inputs
from matscout.models.uncertainty.belief import Belief, check_rows, least_variance

_ENTRIES = 2_000_000  # of a table of rows x training rows held at once: 16 MB
_ROUNDING = 1e-12  # weights that should reach a probability may fall short by so much


@dataclass(frozen=True)
class QuantileForest:
    """A random forest whose leaves keep all their targets, not the mean alone.

    Aleatoric variance is the mean variance within the leaves of a row, epistemic that between the
    trees' means: together they are the variance of the paper's distribution, exactly (law of total
    variance). Epistemic so defined is that of one tree, wider than the forest's. `min_leaf` holds
    targets enough to have a spread; the paper (section 4) grows nodes of ten.
    """

    trees: int = 200
    min_leaf: int = 5
    max_features: float = 1.0 / 3.0
    seed: int = 0

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> FittedQuantiles:
        table = table_of(X)
        y = check_rows(ColumnInputs.of(table), y)
        leaf = max(1, min(self.min_leaf, len(y) // 2))
        forest = grown(table, y, self.trees, leaf, self.max_features, self.seed)
        return FittedQuantiles(forest, forest.apply(table), y)


@dataclass(frozen=True)
class FittedQuantiles:
    """leaves (n, T) says where each training row, in the bag or not, ends in each tree."""

    forest: RandomForestRegressor
    leaves: np.ndarray
    y: np.ndarray

    def predict(self, X: Inputs | np.ndarray) -> Belief:
        where = self.forest.apply(table_of(X))  # (b, T)
        means, variances = np.empty(where.shape), np.empty(where.shape)
        centre = float(self.y.mean())  # squares about it cancel less
        about = self.y - centre
        for tree, leaf in enumerate(where.T):
            of = self.leaves[:, tree]
            count = np.maximum(np.bincount(of, minlength=of.max() + 1), 1)
            mean = np.bincount(of, weights=about) / count
            square = np.bincount(of, weights=np.square(about - mean[of])) / count
            means[:, tree], variances[:, tree] = mean[leaf], square[leaf]
        noise = np.maximum(variances.mean(1), least_variance(self.y))
        return Belief(centre + means.mean(1), np.sqrt(means.var(1)), np.sqrt(noise))

    def weights(self, X: Inputs | np.ndarray) -> np.ndarray:
        """Of each training row in the distribution at each row of X, (b, n): equations 4 and 5."""
        nodes = [tree.tree_.node_count for tree in self.forest.estimators_]
        start = np.cumsum([0, *nodes])[:-1]
        train = _one_hot(self.leaves + start, sum(nodes))
        size = np.maximum(train.sum(axis=0), 1)
        share = _one_hot(self.forest.apply(table_of(X)) + start, sum(nodes)) * (1.0 / size)
        return np.asarray((share @ train.T).todense()) / len(nodes)

    def quantiles(self, X: Inputs | np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """(b, len(levels)): the smallest y at which the distribution reaches each level (eq. 1)."""
        table = table_of(X)
        order = np.argsort(self.y, kind="stable")
        out = np.empty((len(table), len(levels)))
        at_once = max(1, _ENTRIES // len(self.y))
        for first in range(0, len(table), at_once):
            part = self.weights(table[first : first + at_once])
            reached = np.cumsum(part[:, order], axis=1)
            for column, level in enumerate(levels):
                place = (reached < level - _ROUNDING).sum(axis=1)
                last = np.minimum(place, len(order) - 1)
                out[first : first + at_once, column] = self.y[order[last]]
        return out

    def interval(self, X: Inputs | np.ndarray, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the central interval, each (b,)."""
        ends = self.quantiles(X, [0.5 - level / 2, 0.5 + level / 2])
        return ends[:, 0], ends[:, 1]


def grown(
    table: np.ndarray, y: np.ndarray, trees: int, leaf: int, share: float, seed: int
) -> RandomForestRegressor:
    """A random forest: (n, d), (n,), the fewest rows of a leaf, the share of columns at a split."""
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    forest = RandomForestRegressor(
        trees, min_samples_leaf=leaf, max_features=share, random_state=state, n_jobs=1
    )
    return forest.fit(table, y)


def table_of(X: Inputs | np.ndarray) -> np.ndarray:
    """(n, d) float64. ValueError for graphs: trees need columns."""
    if isinstance(X, np.ndarray):
        return np.asarray(X, dtype=np.float64)
    if isinstance(X, ColumnInputs):
        return X.X.double().numpy()
    raise ValueError("a forest needs columns of numbers, not graphs")


def _one_hot(places: np.ndarray, width: int) -> csr_array:
    """(b, T) numbers below `width` -> (b, width) with T ones a row."""
    rows, trees = places.shape
    bounds = np.arange(0, rows * trees + 1, trees)
    return csr_array((np.ones(rows * trees), places.ravel(), bounds), shape=(rows, width))
