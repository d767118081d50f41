"""Forests of regression trees, with a spread that held-out rows have scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from torch import Tensor

from matscout.surrogate.held_out import HeldOut
from matscout.surrogate.in_units import InUnits, check_data
from matscout.surrogate.leaves import PREDICTED_AT_ONCE, Leaves, tree_inputs
from matscout.surrogate.rows import canonical_order, fold_of
from matscout.surrogate.scaling import Standard, UnitBox
from matscout.surrogate.spread import Spread, calibrated

KINDS: dict[str, type] = {
    "extra_trees": ExtraTreesRegressor,
    "random_forest": RandomForestRegressor,
}

GROUPS = 10
"""Trees come in so many groups, and each group has not seen one fold of the rows."""

ALL_ROWS = -1  # in place of a fold: seen by every tree

_DIGITS = 2.0**40
"""Targets are rounded to 1e-12 of their sd, so that rounding noise in their units grows no other
tree where two splits are level."""


@dataclass(frozen=True)
class Forest:
    """Extra trees (Geurts, Ernst, Wehenkel 2006) or a random forest (Breiman 2001); a `Surrogate`.

    kind          extra_trees or random_forest
    trees         how many, in ten groups
    min_leaf      the fewest rows in a leaf
    max_features  the share of columns tried at each split
    seed          all the randomness there is

    The variance of the noise-free value is that between the trees' predictions plus the mean
    variance within their leaves (law of total variance; Hutter et al. 2014, section 4.3.2), times a
    factor, plus a floor. Factor and floor are those under which rows that trees have not seen are
    most probable (spread.py; the idea of Lu and Hardin 2021, who take out-of-bag errors). To have
    such trees at no extra cost, each tenth of the forest is grown without one tenth of the rows: a
    bootstrap would leave out four times as many. Standard errors enter the calibration; the trees
    themselves weigh all rows alike.
    """

    kind: str = "extra_trees"
    trees: int = 100
    min_leaf: int = 1
    max_features: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {sorted(KINDS)}, got {self.kind!r}")
        if self.trees < GROUPS:
            raise ValueError(f"trees must be {GROUPS} or more, got {self.trees}")

    def fit(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> ForestPosterior:
        """X (n, d), Y (n, 1), Yvar (n, 1) with NaN where unknown; physical units, float64."""
        check_data(X, Y)
        y, units = Y[:, 0], Standard.of(Y[:, 0])
        low = X.amin(0) if len(X) else torch.zeros(X.shape[1], dtype=X.dtype)
        high = X.amax(0) if len(X) else low + 1.0
        box, fold = UnitBox.between(low, high), self._folds(X, y)
        rows, inside = tree_inputs(box, X), units(y).numpy()
        leaves = self.grow(rows, inside, fold, canonical_order(X, y))
        known = np.full(len(y), np.nan) if Yvar is None else units.variance(Yvar[:, 0]).numpy()
        bare = ForestPosterior(units, self, box, rows, inside, fold, leaves, Spread(), None)
        return bare if len(np.unique(fold)) < 3 else _calibrated(bare, y, known)

    def _folds(self, X: Tensor, y: Tensor) -> np.ndarray:
        """(n,); rows that are alike are in one fold only by chance: replicates are data, too."""
        if len(y) < 2:
            return np.full(len(y), ALL_ROWS)
        return fold_of(X, y, min(GROUPS, len(y)))

    def grow(self, X: np.ndarray, y: np.ndarray, fold: np.ndarray, order: np.ndarray) -> Leaves:
        """Trees for X (n, d) float32 and standardised y (n,); none without rows.

        Tree t has not seen the rows whose fold is `group[t]`. `order` is that in which rows are
        given to the trees, so that the caller's order is of no consequence.
        """
        rounded = np.round(y * _DIGITS) / _DIGITS
        trees: list[Any] = []
        group: list[int] = []
        if len(y):
            groups = max(int(fold.max()) + 1, 1)
            for number, count in enumerate(_shares(self.trees, groups)):
                rows = order[fold[order] != number] if groups > 1 else order
                forest = self._estimator(number, count).fit(X[rows], rounded[rows])
                trees += [tree.tree_ for tree in forest.estimators_]
                group += [number if groups > 1 else ALL_ROWS - 1] * count
        tables = [(tree.value[:, 0, 0], tree.impurity) for tree in trees]
        return Leaves.of(trees, [t[0] for t in tables], [t[1] for t in tables], np.array(group))

    def _estimator(self, number: int, count: int) -> Any:
        state = np.random.SeedSequence([self.seed, number]).generate_state(1)[0]
        return KINDS[self.kind](
            n_estimators=count,
            min_samples_leaf=self.min_leaf,
            max_features=self.max_features,
            random_state=int(state),
            n_jobs=1,
        )


@dataclass(frozen=True)
class ForestPosterior(InUnits):
    """rows (n, d) float32 and y (n,) are scaled and standardised; `held_out` is what trees said of
    rows that they had not seen, None where too few were.
    """

    forest: Forest
    box: UnitBox
    rows: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    leaves: Leaves
    spread: Spread
    held_out: HeldOut | None

    @property
    def noise_here(self) -> float:
        """The variance of a new measurement about its noise-free value, standardised."""
        return self.spread.noise

    def members(self, X: Tensor) -> Tensor:
        """Each tree's prediction in physical units: (b, d) -> (trees, b). The prior's without data."""
        if not len(self.y):
            return torch.full((1, len(X)), self.loc, dtype=torch.float64)
        return self.loc + self.scale * torch.from_numpy(self.leaves.means(self._trees_see(X)))

    def believe(self, X: Tensor) -> ForestPosterior:
        """A new forest, of the same seed and calibration, that has these rows at their means."""
        if len(X) == 0:
            return self
        mean, _ = self._inside(X)
        rows = np.concatenate([self.rows, self._trees_see(X)])
        y = np.concatenate([self.y, mean.numpy()])
        fold = np.concatenate([self.fold, np.full(len(X), ALL_ROWS)])
        order = canonical_order(torch.from_numpy(rows), torch.from_numpy(y))
        leaves = self.forest.grow(rows, y, fold, order)
        return replace(self, rows=rows, y=y, fold=fold, leaves=leaves, held_out=None)

    def _inside(self, X: Tensor) -> tuple[Tensor, Tensor]:
        parts = [self._moments(part) for part in X.detach().split(PREDICTED_AT_ONCE)]
        mean, variance = (np.concatenate(column) for column in zip(*parts, strict=True))
        return torch.from_numpy(mean), torch.from_numpy(np.sqrt(variance))

    def _moments(self, X: Tensor) -> tuple[np.ndarray, np.ndarray]:
        n = len(self.y)
        if not n:
            return np.zeros(len(X)), np.ones(len(X))
        mean, u = self.leaves.moments(self._trees_see(X))
        return mean, self.spread.variance(u) + _prior_share(n)

    def _trees_see(self, X: Tensor) -> np.ndarray:
        return tree_inputs(self.box, X.detach())


def _calibrated(posterior: ForestPosterior, y: Tensor, known: np.ndarray) -> ForestPosterior:
    """With the spread that held-out rows ask for, and with what was said of them."""
    votes = posterior.leaves.means(posterior.rows)  # (trees, n)
    unseen = posterior.leaves.group[:, None] == posterior.fold[None, :]
    count = unseen.sum(0)
    mean = (votes * unseen).sum(0) / count
    within = posterior.leaves.variances(posterior.rows)
    between = (unseen * np.square(votes - mean)).sum(0) / np.maximum(count - 1, 1)
    u = between + (unseen * within).sum(0) / count + _prior_share(len(mean))
    spread = calibrated(posterior.y - mean, u, count, len(votes), known)
    noise = np.where(np.isnan(known), spread.noise, known)
    sd = torch.from_numpy(np.sqrt(spread.variance(u) + noise))
    centre = posterior.loc + posterior.scale * torch.from_numpy(mean)
    held = HeldOut.normal(y, centre, posterior.scale * sd)
    return replace(posterior, spread=spread, held_out=held)


def _prior_share(n: int) -> float:
    """What is left of the prior's variance of 1: trees that agree on one or two rows know little.

    A hundredth at nine rows, and nothing that matters from there on.
    """
    return 1.0 / (1.0 + n) ** 2


def _shares(total: int, parts: int) -> Sequence[int]:
    """`total` in `parts` numbers that differ by one at most."""
    return [total // parts + (i < total % parts) for i in range(parts)]
