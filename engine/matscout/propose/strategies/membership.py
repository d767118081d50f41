"""Who belongs to a rare class, or passes a limit: find them, or learn the border."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from matscout.acquire.balance import Balance
from matscout.acquire.batch.farthest_first import FarthestFirst
from matscout.acquire.entropy import Entropy
from matscout.acquire.membership import Membership
from matscout.acquire.positive import Positive
from matscout.propose.strategies.classes import by_mixture
from matscout.propose.strategies.view import Pick, PoolView

FINDING = FarthestFirst(width=3, from_known=True)
LEARNING = FarthestFirst(width=5, from_known=True)
"""Widths as measured on four tables with rare positives: wider, and the score is forgotten. Away from
each other and from what is pending; the score knows what was measured."""


@dataclass(frozen=True)
class MembershipRule:
    """P(positive) by a mixture of classifiers and regressors (classes.py), spread farthest-first over
    the best of it; or the entropy of that probability.

    mode  find: always P(positive). learn: entropy, once there is a positive. balance: find while
          positives are rare, in the pool or among the labels, else in turn (acquire/balance.py)
    """

    mode: Literal["find", "balance", "learn"] = "find"
    trees: int = 100

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        free = view.shuffled(view.free)
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
        positives, labels = int(view.passing.sum()), len(view.passing)
        if self.mode == "balance":
            likely = positives + float(positive.sum())
            prevalence = min(likely / (labels + len(positive)), 1.0)
            return Balance(positives, labels, prevalence).learning(view.place, n)
        return n if self.mode == "learn" and positives else 0

    def _members(self, view: PoolView, rows: Tensor) -> Membership:
        return Membership.binary(by_mixture(view, rows, self.trees))
