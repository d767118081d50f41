"""Many trees read at once: which leaf each row falls into, and what stands in that leaf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from matscout.surrogate.scaling import UnitBox

PREDICTED_AT_ONCE = 20_000
"""Rows: with a hundred trees, 16 MB for each table that is read."""


@dataclass(frozen=True)
class Leaves:
    """T trees of scikit-learn, the tables of their nodes end to end.

    mean, variance  of the target within each node
    start           (T,) where each tree's nodes begin
    group           (T,) what each tree belongs to
    """

    trees: Sequence[Any]
    mean: np.ndarray
    variance: np.ndarray
    start: np.ndarray
    group: np.ndarray

    @classmethod
    def of(
        cls,
        trees: Sequence[Any],
        means: Sequence[np.ndarray],
        variances: Sequence[np.ndarray],
        group: np.ndarray,
    ) -> Leaves:
        sizes = [len(mean) for mean in means]
        empty = [np.zeros(0)]
        return cls(
            trees,
            np.concatenate([*means, *empty]),
            np.concatenate([*variances, *empty]),
            np.cumsum([0, *sizes])[:-1],
            group,
        )

    def nodes(self, X: np.ndarray) -> np.ndarray:
        """Where each row's leaf stands in the tables: (b, d) float32 -> (T, b)."""
        out = np.empty((len(self.trees), len(X)), dtype=np.intp)
        for t, tree in enumerate(self.trees):  # one call into C each, without the checks around it
            np.add(tree.apply(X), self.start[t], out=out[t])
        return out

    def means(self, X: np.ndarray) -> np.ndarray:
        """(b, d) float32 -> (T, b)"""
        return self.mean[self.nodes(X)]

    def variances(self, X: np.ndarray) -> np.ndarray:
        """(b, d) float32 -> (T, b)"""
        return self.variance[self.nodes(X)]

    def moments(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and total variance over the trees: (b, d) float32 -> (b,), (b,)."""
        nodes = self.nodes(X)
        means = self.mean[nodes]
        within = self.variance[nodes].mean(0)
        return means.mean(0), means.var(0) + np.maximum(within, 0.0)


def tree_inputs(box: UnitBox, X: Tensor) -> np.ndarray:
    """What trees see of X (b, d): float32 within [-1, 2] of the box.

    They hold single precision, in which 1e12 and 1e12 + 1 are one number: hence the scaling. And
    they say the same everywhere beyond the last split: hence the bounds, which keep it finite.
    """
    return np.ascontiguousarray(box(X).clamp(-1.0, 2.0).numpy(), dtype=np.float32)
