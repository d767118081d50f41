"""The probability of belonging to the k best of a pool, whose threshold nobody knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from botorch.utils.probability.utils import log_ndtr
from torch import Tensor

from matscout.acquire.base import Belief, Score

_CHUNK = 2_000_000
"""Entries of (thresholds, candidates) held at once."""


def top_share(draws: Tensor, k: int) -> Tensor:
    """P(f(x) is among the k best of the pool): draws (s, n) -> (n,), each in [0, 1], sum k.

    `draws` are joint draws of the posterior over the n points of the pool, or over a subset that
    surely holds its best: the most likely members and what has been measured (at its measured
    value). Draw them from the same underlying normals in every round (`joint.standard_normals`):
    scores then change by what was learned. Points that tie at the k-th place share it.
    """
    if not 1 <= k <= draws.shape[1]:
        raise ValueError(f"k must be between 1 and the {draws.shape[1]} points, got {k}")
    last = kth_best(draws, k).unsqueeze(-1)
    above, level = (draws > last).double(), (draws == last).double()
    left = (k - above.sum(-1, keepdim=True)) / level.sum(-1, keepdim=True)
    return (above + level * left).mean(0)


def kth_best(draws: Tensor, k: int) -> Tensor:
    """What the threshold of the top k may be: (s, n) -> (s,), one draw of it per draw of f."""
    return draws.topk(k, dim=-1).values[:, -1]


@dataclass(frozen=True)
class LogProbabilityTop:
    """log P(f(x) >= T), T one of `thresholds` with equal chances and independent of f(x).

    The plug-in version of `top_share`, for pools that are too large for joint draws: `thresholds`
    come from `kth_best` over draws of a subset, in the target's units. It forgets that f(x) and T
    move together (where f(x) is high, so is the k-th best), which matters little when k is many.
    """

    thresholds: tuple[float, ...]
    name: ClassVar[str] = "log_probability_top"
    falls_with_sd: ClassVar[bool] = False

    def on(self, belief: Belief) -> Score:
        inside = belief.standardised
        levels = torch.tensor(self.thresholds, dtype=torch.float64)
        levels = levels / belief.scale - belief.loc / belief.scale  # (t,)

        def score(X: Tensor) -> Tensor:
            assert X.shape[-2] == 1, "one point at a time: q must be 1"
            mean, sd = (moment.squeeze(-1) for moment in inside.mean_sd(X))  # (b,)
            parts = zip(*(m.split(_CHUNK // len(levels) + 1) for m in (mean, sd)), strict=True)
            return torch.cat([_mixture(m, s, levels) for m, s in parts])

        return score

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)


def _mixture(mean: Tensor, sd: Tensor, levels: Tensor) -> Tensor:
    """log mean_t Phi((mean - t) / sd): (b,), (b,), (t,) -> (b,)."""
    beyond = log_ndtr((mean.unsqueeze(-1) - levels) / sd.unsqueeze(-1))
    return beyond.logsumexp(-1) - math.log(len(levels))
