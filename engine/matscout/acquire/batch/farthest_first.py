"""Far apart among the best: a high score, then distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.batch.base import checked, highest, ranked
from matscout.acquire.batch.distance import to_nearest, to_one
from matscout.acquire.batch.within import reach


@dataclass(frozen=True)
class FarthestFirst:
    """The best by score, then again and again the farthest from those picked, within the best
    `width` * q; the traversal of Gonzalez 1985 (Theor. Comput. Sci. 38, 293).

    from_known  distance counts from measured and pending points too. Scores that know about these
                (a posterior's) need it less than scores that do not (a classifier's)

    Only distinct points count toward the best `width` * q. With P(positive) a width of 3, and with
    entropy of 5, did best on tables with rare positives; a wider one forgets the score.
    """

    width: int = 3
    from_known: bool = False
    name: ClassVar[str] = "farthest_first"
    diverse: ClassVar[bool] = True

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        if q == 0:
            return []
        order = ranked(scores)
        order = order[: reach(points[order], self.width * q, q)]
        scores, points = scores[order], points[order]
        centres = known if self.from_known else known[:0]
        distance, _ = to_nearest(points, centres)
        free = torch.ones(len(points), dtype=torch.bool)
        picked = [int((distance > 0).to(torch.int8).argmax())]  # the best score that is not known
        while True:
            free[picked[-1]] = False
            if len(picked) == q:
                return order[picked].tolist()
            distance = torch.minimum(distance, to_one(points, points[picked[-1]]))
            picked.append(highest(distance, scores, free))
