"""Which side of a limit a candidate is on: where classifiers are unsure, or of two minds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from matscout.acquire.batch.base import BatchRule
from matscout.acquire.batch.core_set import CoreSet
from matscout.acquire.batch.minority_quota import MinorityQuota
from matscout.acquire.batch.within import Within
from matscout.acquire.feasible import weighed
from matscout.acquire.membership import Membership, MembershipScore
from matscout.propose.strategies.bound import both_tables
from matscout.propose.strategies.coverage import sound
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.classify_forest import ForestClassifier
from matscout.surrogate.classify_gp import GpClassifier
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.rare_mixture import RareMixture

Committee = Callable[[PoolView, Tensor, int], Tensor]
"""(view, rows of the pool, trees) -> P(passes) by each member, (k, b)."""

WIDTH = 5
"""Batches are spread over the best so many times their size: what did best with entropy."""

_SETTLED = Membership.binary(torch.zeros(1))
"""A candidate whose class is known: what a failure teaches is worth no more."""


@dataclass(frozen=True)
class ClassRule:
    """A score of the class (acquire/membership.py) under a committee, weighed by P(feasible).

    A batch is spread over the best of it, away from what is pending. What is less than half as likely
    to work as the likeliest is left out while there is enough else.

    card   the score, made from the labels so far: (others, positives)
    quota  the share of each batch that is kept for those predicted to pass
    """

    rule: str
    card: Callable[[tuple[int, int]], MembershipScore]
    committee: Committee
    quota: float = 0.0
    trees: int = 100

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        free = view.shuffled(sound(view, n))
        score, positive = self._judged(view, free)
        spread: BatchRule = Within(CoreSet(), WIDTH)
        if self.quota:
            spread = MinorityQuota(positive, spread, self.quota)
        rows = spread.pick(score, view.unit[free], view.unit[view.believed], n)
        return [
            (int(free[i]), {"rule": self.rule, "p_positive": round(float(positive[i]), 6)})
            for i in rows
        ]

    def scores(self, view: PoolView) -> Tensor:
        return self._judged(view, torch.arange(len(view.unit)))[0]

    def _judged(self, view: PoolView, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The score of each of `rows`, and P(passes) by consensus."""
        members = Membership.binary(self.committee(view, rows, self.trees))
        positives = int(view.passing.sum())
        card = self.card((len(view.measured) - positives, positives))
        works = torch.from_numpy(view.works)[rows]
        return weighed(card(members), works, float(card(_SETTLED))), members.positive * works


def by_mixture(view: PoolView, rows: Tensor, trees: int) -> Tensor:
    """Two classifiers and, where the target is a quantity, two regressors
    (surrogate/rare_mixture.py). Each feature has a lengthscale of its own: beside the eighty columns
    of a formula a lone number would be lost."""
    groups, X = view.candidates.groups, both_tables(view)
    mixed = RareMixture(trees=trees, seed=view.seed, processes=len(groups), groups=groups)
    measured = X[view.measured]
    if view.labels_only:
        return mixed.of_labels(measured, view.passing).members(X[rows])
    return mixed.fit(measured, view.Y, view.limit, view.Yvar).members(X[rows])


def by_trees(view: PoolView, rows: Tensor, trees: int) -> Tensor:
    """Extra trees, each with a vote."""
    X = torch.from_numpy(view.candidates.table)
    forest = ForestClassifier(trees=trees, seed=view.seed)
    return forest.fit(X[view.measured], view.passing).members(X[rows])


def by_process(view: PoolView, rows: Tensor, trees: int) -> Tensor:
    """What a Gaussian process holds possible: sixteen equally likely values of its latent function."""
    classifier = GpClassifier(GaussianProcess(groups=view.candidates.groups))
    return classifier.fit(view.unit[view.measured], view.passing).members(view.unit[rows])
