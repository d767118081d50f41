"""Core-set: cover the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.batch.base import checked, highest
from matscout.acquire.batch.distance import to_nearest, to_one


@dataclass(frozen=True)
class CoreSet:
    """k-centre greedy; Sener and Savarese 2018, algorithm 1: again and again the candidate that is
    farthest from everything known or picked, argmax_i min_j distance(i, j).

    At most twice as far from its nearest centre as the best choice would leave any candidate.
    Scores count only where nothing is known yet (the best is first) and among equals. It goes to
    the rim of the pool and sees no density: mean log RMSE -1.490 over 15 tables, LCMD -1.589.
    """

    name: ClassVar[str] = "core_set"
    diverse: ClassVar[bool] = True

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        distance, _ = to_nearest(points, known)  # inf without any: the best score is first
        free = torch.ones(len(points), dtype=torch.bool)
        picked: list[int] = []
        while len(picked) < q:
            picked.append(highest(distance, scores, free))
            free[picked[-1]] = False
            distance = torch.minimum(distance, to_one(points, points[picked[-1]]))
        return picked
