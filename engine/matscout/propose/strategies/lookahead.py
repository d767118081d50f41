"""Find what passes a limit, with an eye on the experiments that are left."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from matscout.acquire.batch.base import highest
from matscout.acquire.gp_joint import GpJoint
from matscout.acquire.lookahead_search import GaussianMembers, LookaheadSearch, coherent_bound
from matscout.propose.strategies.joint import believing, inside, joint_belief, moments, said
from matscout.propose.strategies.view import Pick, PoolView


@dataclass(frozen=True)
class LookaheadRule:
    """Efficient nonmyopic search (acquire/lookahead_search.py) for candidates that pass the goal's
    threshold, under a Gaussian process: the finds expected of this experiment and of `horizon` - 1
    more that are chosen once its result is known.

    Of larger pools the `most` candidates likeliest to pass are looked at. What is pending, and every
    earlier pick of the batch, is believed to come out as expected.
    """

    horizon: int = 20
    most: int = 300

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        belief = joint_belief(view)
        free = torch.from_numpy(view.free)
        free = free[_nearest(_near(view, belief, free), 10 * self.most + n)]
        picks: list[Pick] = []
        for _ in range(min(n, len(free))):
            score, near, rows = self._looked_at(view, belief, free)
            place = highest(score, near, torch.ones(len(rows), dtype=torch.bool))
            row = int(rows[place])
            picks.append((row, said("lookahead", view, belief, row, float(score[place]))))
            free = free[free != row]
            belief = believing(belief, view.unit[row : row + 1])
        return picks

    def scores(self, view: PoolView) -> Tensor:
        """Expected finds; for what was not looked at, those of this experiment alone."""
        belief = joint_belief(view)
        near = _near(view, belief, torch.arange(len(view.unit)))
        out = torch.special.ndtr(near) * torch.from_numpy(view.works)
        if len(view.free):
            score, _, rows = self._looked_at(view, belief, torch.from_numpy(view.free))
            out[rows] = torch.where(score.isinf(), out[rows], score)
        return out

    def _looked_at(
        self, view: PoolView, belief: GpJoint, free: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(m,) each: expected finds, -inf for who cannot be the best; how many sd each is beyond the
        limit, which says who is nearer where none has a chance; and the rows of the pool."""
        near = _near(view, belief, free)
        order = _nearest(near, self.most)
        rows, within = free[order], belief.standardised
        X = view.unit[rows]
        with torch.no_grad():
            mean, covariance = within.mean_sd(X)[0], within.covariance(X, X)
            members = GaussianMembers(mean, covariance, inside(belief, view.limit))
            score = _finds(members, torch.from_numpy(view.works)[rows], self.horizon)
        return score, near[order], rows


def _near(view: PoolView, belief: GpJoint, rows: Tensor) -> Tensor:
    mean, sd = moments(belief, view.unit[rows])
    return (mean - inside(belief, view.limit)) / sd


def _nearest(near: Tensor, most: int) -> Tensor:
    """Places of the largest, in ascending order."""
    return torch.argsort(near, descending=True, stable=True)[:most].sort().values


def _finds(members: GaussianMembers, works: Tensor, horizon: int) -> Tensor:
    """Expected finds, where a find has to pass and to work, the one independent of the other.

    Not to have found may mean either that x does not pass or that it did not work:
    P(z | no find at x) = (P(z) - P(works at x) P(z, x)) / (1 - P(works at x) P(x)).
    """
    passes = members.probabilities

    def after(row: int, found: bool) -> Tensor:
        given = members.after(row, True)
        if found:
            return given * works
        chance = works[row] * passes[row]
        left = (passes - chance * given) / (1.0 - chance).clamp_min(1e-12)
        return left.clamp(0.0, 1.0) * works

    p = passes * works
    budget = min(horizon, len(p))
    return LookaheadSearch(budget).scores(p, after, coherent_bound(p, budget))
