"""Any batch rule, kept to the best by score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.batch.base import BatchRule, checked, ranked


def reach(points: Tensor, distinct: int, q: int) -> int:
    """How many leading rows hold `distinct` different points: all rows if there are not so many.

    Rows are read in growing blocks: a pool of 100,000 mostly has its distinct ones at the front.
    """
    stop = max(distinct, q)
    while 0 < stop < len(points):
        _, which = torch.unique(points[:stop], dim=0, return_inverse=True)
        first = torch.full((int(which.max()) + 1,), stop)
        first = first.scatter_reduce(0, which, torch.arange(stop), "amin")
        if len(first) >= distinct:
            return max(int(first.sort().values[distinct - 1]) + 1, q)
        stop *= 2
    return min(stop, len(points))


@dataclass(frozen=True)
class Within:
    """`rule` among the best `width` * q different candidates: a rule that ignores scores (core-set,
    LCMD, BAIT, maximum determinant) then spreads over what is worth measuring."""

    rule: BatchRule
    width: int = 5
    name: ClassVar[str] = "within"
    diverse: ClassVar[bool] = True

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        order = ranked(scores)
        order = order[: reach(points[order], self.width * q, q)]
        return order[self.rule.pick(scores[order], points[order], known, q)].tolist()
