"""Search with lookahead: what finding, or not finding, here says about all that is left to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from botorch.utils.probability.bvn import bvnu
from botorch.utils.probability.utils import ndtr
from torch import Tensor

After = Callable[[int, bool], Tensor]
"""(row, it was a member) -> (n,): the probabilities of all rows if that had been measured."""


@dataclass(frozen=True)
class LookaheadSearch:
    """ENS, "efficient nonmyopic search"; Jiang et al. 2017 (ICML), equations 8 and 9.

    The expected number of members found with the whole `budget` of experiments (this one and those
    after it), if all that follow were chosen at once after seeing this one:

        P(x) + E[sum of the budget - 1 highest probabilities, given y(x)]

    So it explores while the budget is long and turns greedy at its end; with a budget of 1 it is
    P(x). For pools of up to a few thousand: each row that is not pruned costs two updates of all.
    """

    budget: int

    def scores(
        self, p: Tensor, after: After, at_most: Tensor | None = None, keep: int = 1
    ) -> Tensor:
        """p (n,) P(member) of each unmeasured row -> (n,) expected finds.

        With `at_most` (n,), upper bounds of the scores (`coherent_bound`), rows that cannot be
        among the best `keep` are pruned: their score is -inf.
        """
        if self.budget < 1 or keep < 1:
            raise ValueError(f"budget and keep must be positive, got {self.budget}, {keep}")
        if self.budget == 1:
            return p.clone()
        bound = torch.full_like(p, torch.inf) if at_most is None else at_most
        scores = torch.full_like(p, -torch.inf)
        best: list[float] = []
        for row in torch.argsort(bound, descending=True, stable=True).tolist():
            if len(best) == keep and float(bound[row]) < best[-1]:
                break
            scores[row] = self._score(p, after, row)
            best = sorted([*best, float(scores[row])], reverse=True)[:keep]
        return scores

    def _score(self, p: Tensor, after: After, row: int) -> Tensor:
        yes, no = (_top_sum(after(row, outcome), row, self.budget - 1) for outcome in (True, False))
        return p[row] + p[row] * yes + (1 - p[row]) * no


def _top_sum(p: Tensor, without: int, count: int) -> Tensor:
    rest = torch.cat([p[:without], p[without + 1 :]])
    return rest.topk(min(count, len(rest))).values.sum()


def coherent_bound(p: Tensor, budget: int) -> Tensor:
    """At least the score, (n,), for probabilities that obey the laws of probability.

    Then P(x) P(z | x) <= min(P(x), P(z)) and likewise for not x, so that the expected future is at
    most the top sum of min(P(x), P(z)) plus that of min(1 - P(x), P(z)). Not for `Neighbours`,
    whose updates are no conditional probabilities.
    """
    count = min(budget - 1, len(p) - 1)
    if count == 0:
        return p.clone()
    high = p.topk(count).values  # with x itself perhaps among them: that only raises the bound
    found = torch.minimum(high, p.unsqueeze(-1)).sum(-1)
    not_found = torch.minimum(high, 1 - p.unsqueeze(-1)).sum(-1)
    return p + found + not_found


@dataclass(frozen=True)
class GaussianMembers:
    """Members are {f >= threshold} under a Gaussian belief; the updates are exact.

    P(f(z) >= t | f(x) >= t) is a ratio of normal orthants, the upper one by Genz 2004 as BoTorch
    has it. mean (n,), covariance (n, n), noise-free.
    """

    mean: Tensor
    covariance: Tensor
    threshold: float

    @property
    def probabilities(self) -> Tensor:
        return ndtr(-self._level)

    @property
    def _level(self) -> Tensor:
        sd = self.covariance.diagonal().clamp_min(1e-12).sqrt()
        return (self.threshold - self.mean) / sd

    def after(self, row: int, member: bool) -> Tensor:
        sd = self.covariance.diagonal().clamp_min(1e-12).sqrt()
        r = (self.covariance[row] / (sd * sd[row])).clamp(-1.0, 1.0)
        level, p = self._level, self.probabilities
        both = bvnu(r, level[row].expand_as(level), level)
        if member:
            return (both / p[row].clamp_min(1e-300)).clamp(0.0, 1.0)
        return ((p - both) / (1 - p[row]).clamp_min(1e-300)).clamp(0.0, 1.0)


@dataclass(frozen=True)
class Neighbours:
    """k nearest neighbours; Garnett et al. 2012 (ICML, "Bayesian optimal active search and
    surveying"), the model that ENS was published with.

    P(member) = (prior + members' weight) / (1 + labelled weight), over the labelled among a row's
    k neighbours. weights (n, n), row z column x: how much x says about z, 0 where x is none of z's
    neighbours. members, labelled (n,): the weight each row has gathered so far.
    """

    weights: Tensor
    members: Tensor
    labelled: Tensor
    prior: float

    @property
    def probabilities(self) -> Tensor:
        return (self.prior + self.members) / (1.0 + self.labelled)

    def after(self, row: int, member: bool) -> Tensor:
        w = self.weights[:, row]
        gained = w if member else 0.0
        return (self.prior + self.members + gained) / (1.0 + self.labelled + w)
