"""Shares of the training rows, each inside the next: what a model learns from less, and sooner.

Training on a part of the data ranks configurations before all of it is paid for: Jamieson & Talwalkar,
AISTATS 2016, and Li et al., JMLR 18 (2018), section 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from matscout.data.splits import Fold


def nested_shares(
    train: np.ndarray,
    shares: Sequence[float],
    *,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int | Sequence[int] = 0,
) -> list[np.ndarray]:
    """Of the rows `train`, (n,), the parts that hold these increasing shares of them, each inside the
    next, ascending; a share of 1 is all of them.

    `labels` and `groups`, (N,), are those of all rows by number. Each part has its share of every
    label, rounded up, so that no label is missing; groups go in whole, and then a part is as much
    larger as its last group is.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    order = rng.permutation(len(train))
    if groups is not None:
        names = np.array([str(g) for g in groups[train]])
        _, first, code = np.unique(names[order], return_index=True, return_inverse=True)
        # Groups in the order in which their first row was drawn; whole groups, so ends between them.
        by_group = order[np.argsort(first[code], kind="stable")]
        ends = np.cumsum(np.unique(first[code], return_counts=True)[1])
        sizes = [int(ends[np.searchsorted(ends, _rows(s, len(train)))]) for s in shares]
        return [np.sort(train[by_group[:size]]) for size in sizes]
    if labels is None:
        return [np.sort(train[order[: _rows(s, len(train))]]) for s in shares]
    own = labels[train[order]]
    parts = [order[own == label] for label in np.unique(own)]
    return [
        np.sort(train[np.concatenate([part[: _rows(s, len(part))] for part in parts])])
        for s in shares
    ]


def shares_of_folds(
    folds: Sequence[Fold],
    shares: Sequence[float],
    *,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> list[list[np.ndarray]]:
    """`nested_shares` of the training rows of each fold: the rows at [share][fold]."""
    nested = [
        nested_shares(train, shares, labels=labels, groups=groups, seed=(seed, number))
        for number, (train, _) in enumerate(folds)
    ]
    return [[of_fold[k] for of_fold in nested] for k in range(len(shares))]


def _rows(share: float, count: int) -> int:
    return min(max(math.ceil(share * count - 1e-9), 1), count)
