"""Several targets at once: what adds most to the front of the best compromises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from botorch.utils.multi_objective.pareto import is_non_dominated
from torch import Tensor

from matscout.acquire.base import Score
from matscout.acquire.gp_joint import GpJoint
from matscout.acquire.pareto import LogNoisyHypervolumeImprovement, reference_point
from matscout.propose.strategies.per_target import beliefs_of, expected_of_each, moments
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.posterior import GpPosterior

_SHORTLIST = 400
"""Candidates that are scored. Each is among the best under one of `_WEIGHTS` weightings of upper
bounds; what is good under no weighting adds nothing to a front."""

_WEIGHTS = 64

FRONT = 30
"""Points kept as the front to improve on: the best by layers of domination."""


@dataclass(frozen=True)
class ParetoRule:
    """qLogNEHVI (acquire/pareto.py) with a Gaussian process for each target, each learned from
    whatever was measured of that target. What is pending, and every earlier pick of the batch, is
    believed to come out as expected.
    """

    draws: int = 32

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        beliefs = beliefs_of(view, view.history.targets)
        free = torch.from_numpy(view.free)
        asked = [*view.measured, *view.believed]
        picks: list[Pick] = []
        for _ in range(min(n, len(free))):
            score, short = self._scored(view, beliefs, asked, free)
            row = int(short[int(score.argmax())])
            why = expected_of_each(view, view.history.targets, beliefs, row)
            picks.append((row, {"rule": "pareto", "acquisition": float(score.max()), **why}))
            asked.append(row)
            free = free[free != row]
            beliefs = [b.believe(view.unit[row : row + 1]) for b in beliefs]
        return picks

    def scores(self, view: PoolView) -> Tensor:
        """-inf for candidates that are good under no weighting."""
        rows = torch.arange(len(view.candidates.pool))
        asked = [*view.measured, *view.believed]
        beliefs = beliefs_of(view, view.history.targets)
        score, short = self._scored(view, beliefs, asked, rows)
        out = torch.full((len(rows),), -torch.inf, dtype=torch.float64)
        out[short] = score
        return out

    def _scored(
        self, view: PoolView, beliefs: list[GpPosterior], asked: list[int], rows: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores of a shortlist of `rows`, and those rows."""
        short = rows[_shortlist(beliefs, view.unit[rows], view.seed)]
        means = moments(beliefs, view.unit[asked])[0]
        front = view.unit[asked][layers(means, FRONT)]
        gain = hypervolume_gain(beliefs, front, reference_point(means), self.draws, view.seed)
        with torch.no_grad():
            score = gain(view.unit[short].unsqueeze(-2))
        return score + torch.from_numpy(view.works)[short].log(), short


def _shortlist(beliefs: list[GpPosterior], X: Tensor, seed: int) -> Tensor:
    """Places of the rows of X that are best under some weighting of mean + sd, in order."""
    if len(X) <= _SHORTLIST:
        return torch.arange(len(X))
    mean, sd = moments(beliefs, X)
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(_WEIGHTS, len(beliefs), generator=generator, dtype=torch.float64)
    weights = -draws.log()  # exponential draws: uniform on the simplex, up to their sum
    each = max(_SHORTLIST // _WEIGHTS, 1)
    best = (weights @ (mean + sd).mT).topk(each, dim=-1).indices
    return best.unique()


def hypervolume_gain(
    beliefs: Sequence[GpPosterior], front: Tensor, reference: Tensor, draws: int, seed: int
) -> Score:
    """qLogNEHVI over `front` (n, d); reference (m,) is standardised."""
    scale = torch.tensor([b.scale for b in beliefs], dtype=torch.float64)
    loc = torch.tensor([b.loc for b in beliefs], dtype=torch.float64)
    physical = tuple((loc + scale * reference).tolist())
    card = LogNoisyHypervolumeImprovement(front, physical, draws, seed)
    return card.on([GpJoint(b) for b in beliefs])


def layers(Y: Tensor, most: int) -> Tensor:
    """Places of the rows of Y (n, m) on the first fronts of domination, `most` or a few more."""
    left = torch.arange(len(Y))
    kept: list[Tensor] = []
    while len(left) and sum(map(len, kept)) < most:
        front = is_non_dominated(Y[left])
        kept.append(left[front])
        left = left[~front]
    return torch.cat(kept).sort().values
