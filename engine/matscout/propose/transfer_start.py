"""Where a sweep starts that knows of earlier ones: at the best points of each, none near another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from matscout.propose.prior_run import PriorRun
from matscout.propose.sampling import Point, canonical
from matscout.propose.toolbox import SpaceTools, generator
from matscout.propose.transfer_prior import PriorBelief, rows_of

Row = dict[int, float]
"""A point by column, of those that its run varied."""

APART = 0.1
"""Root mean square distance over the columns, each [0, 1], below which two points are one basin: the
best of a search that has converged are all alike, and three of them would teach as much as one."""


def best_points(
    tools: SpaceTools,
    priors: Sequence[PriorRun],
    beliefs: Sequence[PriorBelief],
    n: int,
    seed: int,
) -> list[Point]:
    """Up to n points: the best of each earlier run in turn, by what its model makes of its noise.

    What an earlier run did not vary is drawn at random. Points that no change makes keep the
    constraints are left out.
    """
    ranked = [_ranked(tools, p, b) for p, b in zip(priors, beliefs, strict=True)]
    chosen: list[Point] = []
    rows: list[Row] = []
    while len(chosen) < n and any(ranked):
        for of_one in ranked:
            row = _next_apart(of_one, rows)
            if row is None:
                continue
            params, encoded = row
            rows.append(encoded)
            rng = generator(seed, len(rows))
            whole = tools.sampler.repair(tools.sampler.fill(params, rng), rng)
            if whole is not None:
                chosen.append(canonical(tools.space, whole))
    return chosen[:n]


def _ranked(tools: SpaceTools, prior: PriorRun, belief: PriorBelief) -> list[tuple[Point, Row]]:
    """Params and row of every point of the earlier run, the best first."""
    encoded = rows_of(tools, prior.params)
    with torch.no_grad():
        mean, _ = belief.mean_sd(torch.from_numpy(encoded))
    order = np.argsort(-mean.numpy(), kind="stable")
    columns = belief.columns.numpy()
    return [
        (
            dict(prior.params[i]),
            dict(zip(columns.tolist(), encoded[i, columns].tolist(), strict=True)),
        )
        for i in order.tolist()
    ]


def _next_apart(ranked: list[tuple[Point, Row]], rows: Sequence[Row]) -> tuple[Point, Row] | None:
    """Takes from `ranked` up to the first point that is apart from all `rows`; None if none is."""
    while ranked:
        params, row = ranked.pop(0)
        if not any(_near(row, other) for other in rows):
            return params, row
    return None


def _near(one: Row, other: Row) -> bool:
    """Only what varied in the same columns is compared."""
    if one.keys() != other.keys():
        return False
    return float(np.sqrt(np.mean([(one[c] - other[c]) ** 2 for c in one]))) < APART
