"""Greedy maximum determinant: where the kernel, given all that is picked, varies most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.batch.base import checked, highest, ranked

Kernel = Callable[[Tensor, Tensor], Tensor]
"""(a, p), (b, p) -> (a, b), symmetric and positive semi-definite."""

_CHUNK = 2_000_000
"""Kernel values held at once: 16 MB."""

_DIAGONAL = 64
"""Rows of the diagonal computed at a time, as a block of the kernel."""

_BLOCK = 1024
"""Candidates whose variance is brought up to date at a time."""


@dataclass(frozen=True)
class MaxDeterminant:
    """The candidate of largest k(x, x) given known and picked points, again and again; it multiplies
    det K of the batch by that number. P-greedy, De Marchi, Schaback and Wendland 2005; MaxDet in
    Holzmüller et al. 2023.

    For a Gaussian process's kernel it is greedily the batch of most information about f, with
    `noise` the variance of a measurement in the kernel's units. Scores only break ties: combine with
    `Within` to stay among the best. Variances only fall as points are picked, so that after the
    first pass only those are computed again that may still be the largest.
    """

    kernel: Kernel
    noise: float = 1e-6
    name: ClassVar[str] = "max_determinant"
    diverse: ClassVar[bool] = True

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        if q == 0:
            return []
        by_score = ranked(scores)
        at_most = self._given(points, known)
        fresh, copies = at_most.clone(), torch.zeros(len(points), dtype=torch.bool)
        free = torch.ones(len(points), dtype=torch.bool)
        centres, picked = known, list[int]()
        while len(picked) < q:
            eligible = free & ~copies
            eligible = eligible if bool(eligible.any()) else free
            order = by_score[torch.argsort(at_most[by_score], descending=True, stable=True)]
            order = order[eligible[order]]
            best, seen = -torch.inf, torch.zeros_like(free)
            for block in order.split(_BLOCK):
                if best >= float(at_most[block[0]]):
                    break
                fresh[block] = self._given(points[block], centres) if picked else at_most[block]
                at_most[block] = fresh[block]
                seen[block] = True
                best = max(best, float(fresh[block].max()))
            row = highest(fresh, scores, seen)
            picked.append(row)
            free[row] = False
            copies |= (points == points[row]).all(-1)
            centres = torch.cat([centres, points[row : row + 1]])
        return picked

    def _given(self, points: Tensor, centres: Tensor) -> Tensor:
        """k(x, x) once the centres are measured: (b, p), (m, p) -> (b,)."""
        prior = torch.cat([self.kernel(x, x).diagonal() for x in points.split(_DIAGONAL)])
        if len(centres) == 0:
            return prior
        K = self.kernel(centres, centres)
        factor = torch.linalg.cholesky(K + self.noise * torch.eye(len(K), dtype=K.dtype))
        white = (
            torch.linalg.solve_triangular(factor, self.kernel(centres, x), upper=False)
            for x in points.split(max(_CHUNK // len(centres), 1))
        )
        return prior - torch.cat([part.square().sum(0) for part in white])
