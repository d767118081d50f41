"""The best by score, skipping what points the same way as one already picked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.batch.base import checked, ranked

_RELAXED = 1.0 - 1e-9


@dataclass(frozen=True)
class CosineFilter:
    """In the order of the scores, a candidate is skipped if its cosine to a picked one exceeds
    `limit`. Where too few are left, half of what is missing to 1 is added to the limit and the pool
    gone through again; in the end anything but copies, then copies.

    A common filter of batches (after Brinker 2003, "Incorporating diversity in active learning with
    support vector machines", who weighs the angle against the score). For rows whose direction
    carries the meaning: embeddings, fingerprints. The origin matters; columns that are all positive
    make every cosine large.
    """

    limit: float = 0.95
    name: ClassVar[str] = "cosine"
    diverse: ClassVar[bool] = True

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        order = ranked(scores)
        points = points[order]
        length = torch.linalg.vector_norm(points, dim=-1).clamp_min(1e-300)
        closest = torch.full_like(length, -torch.inf)  # the largest cosine to a picked row
        free = torch.ones(len(points), dtype=torch.bool)
        copies = torch.zeros(len(points), dtype=torch.bool)
        limit = self.limit
        picked: list[int] = []
        while len(picked) < q:
            eligible = free & (closest <= limit) & ~copies
            if not bool(eligible.any()):
                if limit < _RELAXED:
                    limit = (1.0 + limit) / 2.0
                    continue
                eligible = free & ~copies if bool((free & ~copies).any()) else free
            row = int(eligible.to(torch.int8).argmax())  # the first: the best score
            picked.append(row)
            free[row] = False
            closest = torch.maximum(closest, points @ points[row] / length / length[row])
            copies |= (points == points[row]).all(-1)
        return order[picked].tolist()
