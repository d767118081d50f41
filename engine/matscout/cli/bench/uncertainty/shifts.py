"""Rows to learn from, rows like them and rows unlike them: how `bench uncertainty` draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from matscout.cli.bench.lowdata.tables import Rows
from matscout.data.cluster_folds import cluster_folds
from matscout.errors import InputError

ROWS, JUDGED, LEAST = 200, 200, 20
_TAIL = 0.8
_CLUSTERS = 5


@dataclass(frozen=True)
class Drawn:
    """Row numbers, none of them twice; no composition is in two of the three."""

    train: np.ndarray
    inside: np.ndarray
    outside: np.ndarray


def drawn(rows: Rows, shift: str, draw: int) -> Drawn:
    """Up to ROWS to learn from and JUDGED of either kind to judge by; `rows` have groups. ValueError
    where fewer than LEAST are left of one, or there are too few clusters."""
    rng = np.random.default_rng([draw, list(SHIFTS).index(shift)])
    groups = np.unique(np.array(rows.groups), return_inverse=True)[1]
    far = _OUTSIDE[shift](rows, groups, draw)
    near = np.setdiff1d(np.arange(len(rows.y)), far)
    near = near[~np.isin(groups[near], groups[far])]
    place = rng.permutation(groups.max() + 1)
    near = near[np.lexsort((near, place[groups[near]]))]  # whole groups, in an order that was drawn
    learned = min(ROWS, len(near) - min(JUDGED, len(near) // 3))
    train = near[:learned]
    inside = near[learned:][~np.isin(groups[near[learned:]], groups[train])][:JUDGED]
    found = Drawn(np.sort(train), np.sort(inside), np.sort(rng.permutation(far)[:JUDGED]))
    if min(len(found.train), len(found.inside), len(found.outside)) < LEAST:
        raise ValueError(f"{len(rows.y)} rows are too few for '{shift}'")
    return found


def _tail(rows: Rows, groups: np.ndarray, draw: int) -> np.ndarray:
    """A composition that has one such row is in no other set with its others."""
    return np.flatnonzero(rows.y > np.quantile(rows.y, _TAIL))


def _cluster(rows: Rows, groups: np.ndarray, draw: int) -> np.ndarray:
    spread = rows.x.std(axis=0)
    scaled = (rows.x - rows.x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    try:
        found = cluster_folds(scaled, "kmeans", _CLUSTERS, groups=groups, seed=0)
    except InputError as error:
        raise ValueError(f"no clusters of {len(rows.y)} rows: {error.what}") from None
    large = [judge for _, judge in found if len(judge) >= LEAST]
    if not large:
        raise ValueError(f"no cluster of {len(rows.y)} rows has {LEAST}")
    return large[draw % len(large)]


SHIFTS: Mapping[str, str] = {
    "tail": "outside: the upper fifth of the targets, of which no training row is",
    "cluster": f"outside: each of up to {_CLUSTERS} clusters of compositions (k-means) in turn",
}
_OUTSIDE: Mapping[str, Callable[[Rows, np.ndarray, int], np.ndarray]] = {
    "tail": _tail,
    "cluster": _cluster,
}
