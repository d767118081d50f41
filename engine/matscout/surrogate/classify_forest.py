"""Extra trees that say how likely a point is to be positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesClassifier
from torch import Tensor

from matscout.surrogate.classify import (
    ConstantMembership,
    Membership,
    check_labels,
    one_class,
)
from matscout.surrogate.leaves import PREDICTED_AT_ONCE, Leaves, tree_inputs
from matscout.surrogate.rows import canonical_order
from matscout.surrogate.scaling import UnitBox

SMOOTHING = 0.1
"""Rows of the base rate that each leaf is given beforehand. A whole row (Laplace's correction of
probability trees: Provost and Domingos 2003) is for a tree that stands alone: over leaves of one
row it would pull every probability of a forest half-way to the base rate."""


@dataclass(frozen=True)
class ForestClassifier:
    """Extra trees (Geurts, Ernst, Wehenkel 2006); a `Classifier`.

    trees         how many
    min_leaf      the fewest rows in a leaf
    max_features  share of columns tried at each split; unset: the square root of their number
    balanced      weigh both classes alike. Probabilities are then of a world in which they are
                  equally frequent; it helps a forest's ranking only where positives are under some
                  2 % of the rows
    seed          all the randomness there is

    A tree says (k + s p) / (n + s) for a leaf with k positives among n rows, with base rate p and
    s = `SMOOTHING`; so nothing is ever impossible or certain.
    """

    trees: int = 200
    min_leaf: int = 1
    max_features: float | None = None
    balanced: bool = False
    seed: int = 0

    def fit(self, X: Tensor, labels: Tensor) -> Membership:
        """X (n, d), labels (n,) bool."""
        check_labels(X, labels)
        if one_class(labels):
            return ConstantMembership.of(labels)
        box = UnitBox.between(X.amin(0), X.amax(0))
        order = canonical_order(X, labels.double())
        rows, positive = tree_inputs(box, X)[order], labels.numpy()[order]
        forest = ExtraTreesClassifier(
            n_estimators=self.trees,
            min_samples_leaf=self.min_leaf,
            max_features=self.max_features or "sqrt",
            class_weight="balanced" if self.balanced else None,
            random_state=int(np.random.SeedSequence(self.seed).generate_state(1)[0]),
            n_jobs=1,
        ).fit(rows, positive)
        base = 0.5 if self.balanced else float(positive.mean())
        trees = [tree.tree_ for tree in forest.estimators_]
        shares = [_smoothed(tree, base) for tree in trees]
        none = [np.zeros_like(share) for share in shares]
        group = np.zeros(len(trees), dtype=np.int64)
        return ForestMembership(box, Leaves.of(trees, shares, none, group))


@dataclass(frozen=True)
class ForestMembership:
    """`leaves` hold the smoothed share of positives in each node."""

    box: UnitBox
    leaves: Leaves

    def probability(self, X: Tensor) -> Tensor:
        parts = [self.members(part).mean(0) for part in X.split(PREDICTED_AT_ONCE)]
        return torch.cat(parts)

    def members(self, X: Tensor) -> Tensor:
        """Each tree's word: (b, d) -> (trees, b)."""
        return torch.from_numpy(self.leaves.means(tree_inputs(self.box, X)))


def _smoothed(tree: object, base: float) -> np.ndarray:
    """(nodes,). scikit-learn keeps the share of each class, and the weight of all rows."""
    share = tree.value[:, 0, 1] / tree.value[:, 0, :].sum(-1)  # type: ignore[attr-defined]
    rows = tree.weighted_n_node_samples  # type: ignore[attr-defined]
    return (share * rows + SMOOTHING * base) / (rows + SMOOTHING)
