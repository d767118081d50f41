"""Folds that are clusters of the inputs: does a model carry over to a kind of material not seen?

Leave-one-cluster-out cross-validation: Meredig et al., Mol. Syst. Des. Eng. 3, 819 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.model_selection import LeaveOneGroupOut

from matscout.data.splits import WHERE, Fold
from matscout.errors import InputError, did_you_mean

CLUSTERINGS = ("kmeans", "hdbscan")
LEAST = 3
"""Rows that make a cluster. A score over one or two rows is one outlier's."""


def cluster_folds(
    x: np.ndarray,
    by: str,
    count: int,
    *,
    groups: Sequence[object] | np.ndarray | None = None,
    seed: int = 0,
) -> list[Fold]:
    """A fold for each cluster of the rows of `x` (n, d): numbers, none missing, on one scale.

    `by` is kmeans, into `count` clusters, or hdbscan, which finds out how many there are (of at
    least a quarter of the rows that a cluster would have if all `count` were equal). Rows that
    belong to no cluster, or to one of less than `LEAST` rows, train always and judge never. With
    `groups` the means of the groups are clustered, so that none is divided.

    Raises InputError where the rows are too few, all alike, or mostly in no cluster.
    """
    if by not in CLUSTERINGS:
        raise InputError(
            f"{WHERE}.clusters", f"no clustering is '{by}'", did_you_mean(by, CLUSTERINGS)
        )
    units, unit = np.asarray(x, dtype=float), np.arange(len(x))
    if groups is not None:
        _, unit = np.unique(np.array([str(g) for g in groups]), return_inverse=True)
        totals = np.zeros((unit.max() + 1, x.shape[1]))
        np.add.at(totals, unit, x)
        units = totals / np.bincount(unit)[:, None]
    labels = _labels(units, by, count, seed)[unit]
    sizes = np.bincount(labels + 1)[1:]
    labels = np.where(np.isin(labels, np.flatnonzero(sizes >= LEAST)), labels, -1)
    found, inside = np.unique(labels[labels >= 0]).size, int((labels >= 0).sum())
    if found < 2 or 2 * inside < len(labels):
        what = f"{by} puts {inside} of {len(labels)} rows into {found} clusters"
        mend = "use clusters = 'kmeans', or fewer folds" if by == "hdbscan" else "use fewer folds"
        raise InputError(WHERE, what, mend)
    pairs = LeaveOneGroupOut().split(labels, groups=labels)
    return [(np.sort(train), np.sort(judge)) for train, judge in pairs if labels[judge[0]] >= 0]


def _labels(units: np.ndarray, by: str, count: int, seed: int) -> np.ndarray:
    """The cluster of each unit, (m,), -1 for none."""
    if count < 2:
        raise InputError(WHERE, f"folds must be at least 2, got {count}")
    kinds = len(np.unique(units, axis=0))
    if len(units) < LEAST * count or kinds < count:
        what = (
            f"{len(units)} rows or groups, {kinds} of them different, do not make {count} clusters"
        )
        raise InputError(WHERE, what, "use fewer folds, or bring more rows")
    if by == "kmeans":
        return np.asarray(KMeans(count, n_init=10, random_state=seed).fit_predict(units))
    size = max(LEAST, len(units) // (4 * count))
    return np.asarray(HDBSCAN(min_cluster_size=size, copy=True).fit_predict(units))
