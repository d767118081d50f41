"""Scores weighted by the probability that the experiment works at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from matscout.acquire.base import Acquisition, Belief, Score

Feasibility = Callable[[Tensor], Tensor]
"""(b, d) -> (b,), P(the experiment works)."""

LEAST = 1e-6
"""P(feasible) is cut here: a classifier that saw a few failures may say 0, and log 0 would rule a
candidate out for good. At 1e-6 it still loses to whatever has a chance."""


def feasible(inner: Acquisition, probability: Feasibility) -> Acquisition:
    """log score + log P(feasible), for scores in logs; Gardner et al. 2014 (ICML), section 3.

    EI of a failed experiment is 0, so the expectation is the product.
    """
    return cast(Acquisition, _Feasible(inner, probability, None))


def feasible_above(inner: Acquisition, probability: Feasibility, failure: float) -> Acquisition:
    """The same for scores with no zero of their own (a bound, a mean, an sd).

    A product would turn round below 0: of two bad candidates it would prefer the one that fails.
    Expected utility says what to do once a failure is worth something: it is P * score +
    (1 - P) * failure = failure + P * (score - failure). `failure` is in the score's units: the
    worst value measured is a good choice for a bound or a mean (a failure teaches no more than the
    worst success), 0 for an sd. Not the pool's lowest score: one outlier there, and all others
    differ by P alone. A score below `failure` would gain from failing, so its distance is weighted
    by 2 - P instead: feasible is preferred everywhere, and the two meet at `failure`.
    """
    return cast(Acquisition, _Feasible(inner, probability, failure))


@dataclass(frozen=True)
class _Feasible:
    inner: Acquisition
    probability: Feasibility
    failure: float | None

    @property
    def name(self) -> str:
        return f"{self.inner.name} if feasible"

    @property
    def falls_with_sd(self) -> bool:
        return self.inner.falls_with_sd

    def on(self, belief: Belief) -> Score:
        inner = self.inner.on(belief)

        def weighted(X: Tensor) -> Tensor:
            return weighed(inner(X), self.probability(X.squeeze(-2)), self.failure)

        return weighted

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)


def weighed(score: Tensor, works: Tensor, failure: float | None) -> Tensor:
    """`score` (b,) under P(feasible) `works` (b,); `failure` is None for scores in logs."""
    works = works.clamp_min(LEAST)
    if failure is None:
        return score + works.log()
    gain = score - failure
    return failure + gain * torch.where(gain >= 0, works, 2.0 - works)
