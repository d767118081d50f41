"""Who belongs to a rare class, or passes a limit: find them, or learn the border."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.balance import Balance
from matscout.acquire.batch.farthest_first import FarthestFirst
from matscout.acquire.entropy import Entropy
from matscout.acquire.membership import Membership
from matscout.acquire.positive import Positive
from matscout.propose.strategies.bound import both_tables
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.membership import MixedMembership
from matscout.surrogate.rare_mixture import RareMixture

FINDING = FarthestFirst(width=3, from_known=True)
LEARNING = FarthestFirst(width=5, from_known=True)
"""Widths as measured on four tables with rare positives: wider, and the score is forgotten. Away from
each other and from what is pending; the score knows what was measured."""


@dataclass(frozen=True)
class MembershipRule:
    """P(positive) by a mixture of classifiers and regressors (surrogate/rare_mixture.py), spread
    farthest-first over the best of it; or the entropy of that probability. Each feature has a
    lengthscale of its own: beside the eighty columns of a formula a lone number would be lost.

    mode  find: always P(positive). learn: entropy, once there is a positive. balance: find while
          positives are rare, in the pool or among the labels, else in turn (acquire/balance.py)
    """

    mode: Literal["find", "balance", "learn"] = "find"
    trees: int = 100

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        # In random order, so that among equals (all, of a class of which only one kind has been
        # seen) it is not the table's order that decides.
        order = np.random.default_rng(np.random.SeedSequence(view.seed)).permutation(view.free)
        free = torch.from_numpy(order)
        members = self._members(view, free)
        works, points = torch.from_numpy(view.works)[free], view.unit[free]
        pending = view.unit[view.believed]
        learning = self._learning(view, members.positive, n)
        found = FINDING.pick(Positive()(members) * works, points, pending, n - learning)
        left = torch.ones(len(free), dtype=torch.bool)
        left[found] = False
        rest = left.nonzero()[:, 0]
        taken = torch.cat([pending, points[found]])
        entropy = (Entropy()(members) * works)[rest]
        learned = rest[LEARNING.pick(entropy, points[rest], taken, n - len(found))].tolist()
        rules = ["p_positive"] * len(found) + ["entropy"] * len(learned)
        return [
            (int(free[i]), {"rule": rule, "p_positive": round(float(members.positive[i]), 6)})
            for i, rule in zip([*found, *learned], rules, strict=True)
        ]

    def scores(self, view: PoolView) -> Tensor:
        members = self._members(view, torch.arange(len(view.unit)))
        learning = self._learning(view, members.positive[view.free], 1)
        card = Entropy() if learning else Positive()
        return card(members) * torch.from_numpy(view.works)

    def _learning(self, view: PoolView, positive: Tensor, n: int) -> int:
        """How many of the next n are to learn; `positive` is P(positive) of what is free."""
        positives, labels = int((view.data.y >= view.limit).sum()), len(view.data.y)
        if self.mode == "balance":
            likely = positives + float(positive.sum())
            prevalence = min(likely / (labels + len(positive)), 1.0)
            return Balance(positives, labels, prevalence).learning(view.place, n)
        return n if self.mode == "learn" and positives else 0

    def _members(self, view: PoolView, rows: Tensor) -> Membership:
        X = both_tables(view)
        return Membership.binary(self._mixture(view, X[view.measured]).members(X[rows]))

    def _mixture(self, view: PoolView, X: Tensor) -> MixedMembership:
        groups = view.candidates.groups
        mixture = RareMixture(
            trees=self.trees, seed=view.seed, processes=len(groups), groups=groups
        )
        if view.labels_only:
            return mixture.of_labels(X, view.Y[:, 0] >= view.limit)
        return mixture.fit(X, view.Y, view.limit, view.Yvar)
