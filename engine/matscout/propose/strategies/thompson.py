"""Thompson sampling: each pick is the best of one draw of what may be true."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from matscout.acquire.feasible import weighed
from matscout.acquire.gp_joint import GpJoint
from matscout.acquire.thompson import one_per_draw, win_share
from matscout.propose.strategies.joint import drawn, inside, joint_belief, promising, said
from matscout.propose.strategies.view import Pick, PoolView


@dataclass(frozen=True)
class ThompsonRule:
    """A batch is as many independent joint draws of a Gaussian process (acquire/thompson.py), with
    what is pending believed. Of larger pools the `most` candidates of highest mean + 3 sd are drawn:
    the best of a draw is elsewhere once in a thousand times or so.
    """

    most: int = 1_000
    draws: int = 256  # for `scores` alone

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        belief = joint_belief(view)
        free = torch.from_numpy(view.free)
        rows = free[promising(belief, view.unit[free], max(self.most, n), 3.0)]
        n = min(n, len(rows))
        places = one_per_draw(self._drawn(view, belief, rows, n), n) if n else []
        return [(row, said("thompson", view, belief, row)) for row in rows[places].tolist()]

    def scores(self, view: PoolView) -> Tensor:
        """How often a candidate is the best of a draw: the chance to be picked."""
        belief = joint_belief(view)
        rows = promising(belief, view.unit, self.most, 3.0)
        out = torch.zeros(len(view.unit), dtype=torch.float64)
        out[rows] = win_share(self._drawn(view, belief, rows, self.draws))
        return out

    def _drawn(self, view: PoolView, belief: GpJoint, rows: Tensor, draws: int) -> Tensor:
        generator = torch.Generator().manual_seed(view.seed)
        normals = torch.randn(draws, len(rows), generator=generator, dtype=torch.float64)
        values = drawn(belief, view.unit[rows], normals)
        works = torch.from_numpy(view.works)[rows]
        return weighed(values, works, inside(belief, float(view.data.y.min())))
