"""LCMD: the farthest point of the largest cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.batch.base import checked, highest
from matscout.acquire.batch.distance import to_nearest, to_one


@dataclass(frozen=True)
class LargestClusterMaximumDistance:
    """Holzmüller et al. 2023 (JMLR 24, 164), "LCMD" in its TP form (trained points are centres too).

    Every candidate belongs to its nearest centre, known or picked; a cluster's size is the sum of
    its squared distances to the centre; the pick is the candidate farthest from the centre of the
    largest cluster, and becomes a centre itself. So it goes where much is far away: far as in
    core-set, but not to a lone outlier while a crowd is uncovered.

    `points` are best a network's last-layer features or gradients. The score breaks ties, and
    chooses the first where nothing is known (the paper takes the longest vector, which needs an
    origin that means something).
    """

    name: ClassVar[str] = "lcmd"
    diverse: ClassVar[bool] = True

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        square, centre = to_nearest(points, known)
        free = torch.ones(len(points), dtype=torch.bool)
        picked: list[int] = []
        while len(picked) < q:
            if len(known) + len(picked) == 0:
                row = highest(scores, scores, free)
            else:
                size = torch.zeros(len(known) + len(picked), dtype=square.dtype)
                size.index_add_(0, centre, square)
                largest = free & (centre == size.argmax())
                # None is free when all that is left is copies, and every size is 0.
                row = highest(square, scores, largest if bool(largest.any()) else free)
            free[row] = False
            near = to_one(points, points[row])
            nearer = near < square
            square = torch.where(nearer, near, square)
            centre = torch.where(nearer, len(known) + len(picked), centre)
            picked.append(row)
        return picked
