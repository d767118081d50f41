"""Who belongs to a rare class, or passes a limit: find them, or learn the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.balance import Balance
from matscout.acquire.batch.farthest_first import FarthestFirst
from matscout.acquire.membership import Membership
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.membership import MixedMembership
from matscout.surrogate.rare_mixture import RareMixture

_SHARE = {"find": 1.0, "balance": 0.5, "learn": 0.0}


@dataclass(frozen=True)
class MembershipRule:
    """P(positive) by a mixture of classifiers and regressors (surrogate/rare_mixture.py), spread
    farthest-first over the best of it; or the entropy of that probability. Each feature has a
    lengthscale of its own: beside the eighty columns of a formula a lone number would be lost.

    mode  find: always P(positive). learn: entropy, once there is a positive. balance: find while
          positives are fewer than half of the labels, then learn (acquire/balance.py)
    """

    mode: str = "find"
    trees: int = 100

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        balance = self._balance(view)
        # In random order, so that among equals (all, of a class of which only one kind has been
        # seen) it is not the table's order that decides.
        order = np.random.default_rng(np.random.SeedSequence(view.seed)).permutation(view.free)
        free = torch.from_numpy(order)
        members = Membership.binary(self._mixture(view).members(_columns(view)[free]))
        score = balance(members) * torch.from_numpy(view.works)[free]
        known = view.unit[[*view.measured, *view.believed]]
        rows = FarthestFirst(width=balance.width).pick(score, view.unit[free], known, n)
        rule = "p_positive" if balance.finding else "entropy"
        return [
            (int(free[i]), {"rule": rule, "p_positive": round(float(members.positive[i]), 6)})
            for i in rows
        ]

    def scores(self, view: PoolView) -> Tensor:
        members = Membership.binary(self._mixture(view).members(_columns(view)))
        return self._balance(view)(members) * torch.from_numpy(view.works)

    def _balance(self, view: PoolView) -> Balance:
        positives = int((view.data.y >= view.limit).sum())
        return Balance(positives, len(view.data.y), _SHARE[self.mode])

    def _mixture(self, view: PoolView) -> MixedMembership:
        groups = view.candidates.groups
        mixture = RareMixture(
            trees=self.trees, seed=view.seed, processes=len(groups), groups=groups
        )
        X = _columns(view)[view.measured]
        if view.labels_only:
            return mixture.of_labels(X, view.Y[:, 0] >= view.limit)
        return mixture.fit(X, view.Y, view.limit, view.Yvar)


def _columns(view: PoolView) -> Tensor:
    """Scaled features for the processes, then plain ones for the trees."""
    return torch.cat([view.unit, torch.from_numpy(view.candidates.table)], dim=1)
