"""Who is among the best few per cent, by the chance that each candidate is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.batch.base import highest
from matscout.acquire.gp_joint import GpJoint
from matscout.acquire.joint import standard_normals
from matscout.acquire.probability_top import LogProbabilityTop, kth_best, top_share
from matscout.propose.strategies.joint import (
    believing,
    drawn,
    joint_belief,
    moments,
    promising,
    said,
)
from matscout.propose.strategies.view import Pick, PoolView


@dataclass(frozen=True)
class TopShareRule:
    """P(among the best `goal.top` of the pool), weighed by P(feasible); acquire/probability_top.py.

    Measured candidates compete with what was measured. Where the top is a quarter of `most` or less,
    it is sought among the `most` candidates of highest mean + 2 sd, by joint draws. Else there are
    too many to draw together: the threshold is drawn from `most` at random, and whether a candidate
    passes it is taken to be independent of that. Every pick, of the 5 * `most` of highest bound, is
    believed before the next.
    """

    most: int = 1_000
    draws: int = 256

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        belief = joint_belief(view)
        rows = promising(belief, view.unit, 5 * self.most + n, 2.0)
        free = torch.zeros(len(view.unit), dtype=torch.bool)
        free[torch.from_numpy(view.free)] = True
        picks: list[Pick] = []
        for _ in range(min(n, int(free[rows].sum()))):
            score, bound = self._scored(view, belief, rows)
            place = highest(score, bound, free[rows])
            row = int(rows[place])
            picks.append((row, said("probability_top", view, belief, row, float(score[place]))))
            free[row] = False
            belief = believing(belief, view.unit[row : row + 1])
        return picks

    def scores(self, view: PoolView) -> Tensor:
        return self._scored(view, joint_belief(view), torch.arange(len(view.unit)))[0]

    def _scored(self, view: PoolView, belief: GpJoint, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(b,) each of `rows`: the probability, and the upper bound, which says where that is 0 who
        is nearer to the top."""
        mean, sd = moments(belief, view.unit[rows])
        size = len(view.unit)
        count = max(math.ceil(view.goal.top * size - 1e-9), 1)
        together = size <= self.most or 4 * count <= self.most
        p = (self._shared if together else self._passing)(view, belief, rows, count)
        return p * torch.from_numpy(view.works)[rows], mean + sd

    def _shared(self, view: PoolView, belief: GpJoint, rows: Tensor, count: int) -> Tensor:
        best = promising(belief, view.unit[rows], self.most, 2.0)
        p = torch.zeros(len(rows), dtype=torch.float64)
        p[best] = top_share(self._draws_at(view, belief, rows[best]), count)
        return p

    def _passing(self, view: PoolView, belief: GpJoint, rows: Tensor, count: int) -> Tensor:
        size = len(view.unit)
        rng = np.random.default_rng(np.random.SeedSequence(view.seed, spawn_key=(3,)))
        some = torch.from_numpy(np.sort(rng.choice(size, self.most, replace=False)))
        within = max(round(count / size * self.most), 1)
        levels = kth_best(self._draws_at(view, belief, some), within)[::4]
        card = LogProbabilityTop(tuple(levels.tolist()))
        with torch.no_grad():
            return card(belief.standardised, view.unit[rows].unsqueeze(-2)).exp()

    def _draws_at(self, view: PoolView, belief: GpJoint, rows: Tensor) -> Tensor:
        """(draws, rows), standardised, with what was measured as it was measured."""
        normals = standard_normals(self.draws, len(rows), view.seed)
        values = drawn(belief, view.unit[rows], normals)
        known = torch.full((len(view.unit),), torch.nan, dtype=torch.float64)
        known[view.measured] = belief.posterior.y[: len(view.measured)]
        return torch.where(known[rows].isnan(), values, known[rows])
