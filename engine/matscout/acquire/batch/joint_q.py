"""Joint q-acquisition: each pick is scored together with those before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from botorch.acquisition.monte_carlo import qUpperConfidenceBound
from torch import Tensor

from matscout.acquire.batch.base import checked, highest, ranked
from matscout.acquire.batch.within import reach
from matscout.acquire.drawn import AsDrawn, Drawn
from matscout.acquire.joint import JointBelief, joint_draws, standard_normals
from matscout.acquire.log_noisy_ei import log_noisy_ei


@dataclass(frozen=True)
class JointQ:
    """Sequential greedy maximisation of BoTorch's Monte Carlo qLogNEI or qUCB over a pool.

    The joint score of a batch is submodular, so that adding the best point given those picked is
    within 1 - 1/e of the best batch (Wilson, Hutter and Deisenroth 2018). All picks share the same
    joint draws of f at the shortlist and at the known points, standardised: a near-copy of a picked
    point moves with it in every draw and adds nothing, without believing any invented value.

    belief     knows `points` as its inputs: here they are what it was fitted on, not a mere
               representation
    score      log_nei: expected improvement over known (measured or pending) and picked points;
               ucb: E max over the batch of mean + |f - mean| sqrt(beta^2 pi / 2) (Wilson et al.
               2017, appendix A), beta as in `ConfidenceBound`
    shortlist  of the best different candidates by `scores` that are drawn jointly, at least 4 q;
               the covariance of shortlist and known points is held, some thousand rows at most
    """

    belief: JointBelief
    score: Literal["log_nei", "ucb"] = "log_nei"
    beta: float = 1.0
    shortlist: int = 512
    draws: int = 256
    seed: int = 0
    name: ClassVar[str] = "joint_q"
    diverse: ClassVar[bool] = True

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        if q == 0:
            return []
        order = ranked(scores)
        order = order[: reach(points[order], max(self.shortlist, 4 * q), q)]
        scores, points = scores[order], points[order]
        values = self._draw(torch.cat([known, points]))
        known_values, values = values.split([len(known), len(points)], dim=-1)
        free = torch.ones(len(points), dtype=torch.bool)
        copies = torch.zeros(len(points), dtype=torch.bool)
        picked: list[int] = []
        while len(picked) < q:
            joint = self._joint(known_values, values, picked)
            eligible = free & ~copies
            picked.append(highest(joint, scores, eligible if bool(eligible.any()) else free))
            free[picked[-1]] = False
            copies |= (points == points[picked[-1]]).all(-1)
        return order[picked].tolist()

    def _draw(self, X: Tensor) -> Tensor:
        """(draws, n), standardised. Rows that occur twice get one value: they are one point."""
        inside = self.belief.standardised
        with torch.no_grad():
            unique, which = torch.unique(X, dim=0, return_inverse=True)
            mean, _ = inside.mean_sd(unique)
            normals = standard_normals(self.draws, len(unique), self.seed)
            return joint_draws(mean, inside.covariance(unique, unique), normals)[:, which]

    def _joint(self, known: Tensor, values: Tensor, picked: list[int]) -> Tensor:
        """(s, m), (s, b) -> (b,): the score of each candidate beside those picked."""
        if self.score == "log_nei":
            best = torch.cat([known, values[:, picked]], dim=-1)
            # Nothing known, nothing picked: the best mean, as improvement over a constant.
            return log_noisy_ei(best, values) if best.shape[1] else values.mean(0)
        rows = torch.tensor([*picked, 0], dtype=torch.float64).repeat(values.shape[1], 1)
        rows[:, -1] = torch.arange(values.shape[1])
        bound = qUpperConfidenceBound(
            Drawn(values.unsqueeze(-1)), beta=self.beta**2, sampler=AsDrawn(len(values))
        )
        parts = [bound(part.unsqueeze(-1)) for part in rows.split(256)]
        return torch.cat(parts)
