"""Learning curves, the data's side: how many rows to train on, and which.

A curve that still falls at its end says that more rows would help; one that is flat, that better inputs
or another model would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matscout.data.row_shares import shares_of_folds
from matscout.data.splits import WHERE, Fold
from matscout.errors import InputError

LEAST = 10
"""Rows below which a point of a curve is mostly luck."""


@dataclass(frozen=True)
class CurveFold:
    """One fit of a learning curve: `train` grows from `point` to point (0, 1, …) inside the same `draw`
    and `fold`, and `judge` never changes. `size` is the number of rows in `train`; folds of one point
    may differ in it.
    """

    point: int
    size: int
    draw: int
    fold: int
    train: np.ndarray
    judge: np.ndarray


def curve_shares(rows: int, points: int = 5, least: int = LEAST) -> list[float]:
    """`points` shares of `rows` training rows, from `least` rows to all, evenly in their logarithm.

    Errors fall as a power of the rows (Hestness et al. 2017, arXiv:1712.00409), so such points lie
    evenly along the curve. Raises InputError for fewer than two points or than `least` + 1 rows.
    """
    if points < 2:
        raise InputError(WHERE, f"a learning curve needs 2 points or more, got {points}")
    if not 1 <= least < rows:
        what = f"a learning curve from {least} rows on needs more than {rows} training rows"
        raise InputError(WHERE, what, "begin with fewer")
    sizes = np.unique(np.rint(np.geomspace(least, rows, points)).astype(int))
    return [float(size / rows) for size in sizes]


def learning_curve(
    folds: Sequence[Fold],
    shares: Sequence[float],
    *,
    draws: int = 1,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> list[CurveFold]:
    """All fits: `draws` nested sequences of training rows for each fold, by point, draw and fold.

    `labels` (every class has its share in every part) and `groups` (whole groups) as in
    `row_shares.nested_shares`.
    """
    out = []
    for draw in range(draws):
        own = int(np.random.SeedSequence(seed, spawn_key=(draw,)).generate_state(1)[0])
        parts = shares_of_folds(folds, shares, labels=labels, groups=groups, seed=own)
        for point, of_share in enumerate(parts):
            for number, (train, (_, judge)) in enumerate(zip(of_share, folds, strict=True)):
                out.append(CurveFold(point, len(train), draw, number, train, judge))
    return sorted(out, key=lambda fit: (fit.point, fit.draw, fit.fold))
