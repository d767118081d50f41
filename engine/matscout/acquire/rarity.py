"""Weight for what is rare. Offered because it is often asked for; read the warning first.

Measured on four materials tables with rare positives (group split, batches of 5 up to 150 labels,
8 to 12 seeds, some 58 rules): sd weighted by the target's rarity made the *worst model of all*. A
surrogate that predicts a rare value is mostly wrong there, and the weight sends every label to such
places. What did work: P(positive) by a mixture of classifiers and regressors with batches filled
farthest-first (`positive`, `batch/farthest_first`), or switching with entropy (`balance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.base import Belief, Score
from matscout.acquire.joint import in_chunks
from matscout.acquire.membership import Membership, shannon

_CHUNK = 2_000_000
"""Entries of (candidates, measured) held at once."""


def rarity(y: Tensor, measured: Sequence[float], strength: float = 1.0) -> Tensor:
    """max(1 - strength * p'(y), 0.01), p' the density of the measured targets scaled to [0, 1].

    DenseWeight, Steininger et al. 2021 (Machine Learning 110, 2187), with the density relative to
    its maximum over the measured: 1 far from all that was measured, 1 - strength where most of it
    is. Gaussian kernels of Silverman's width. y (b,) and `measured` in one unit.
    """
    data = torch.tensor(list(measured), dtype=torch.float64)
    if len(data) == 0:
        raise ValueError("rarity is relative to what was measured, and nothing was")
    sd = float(data.std(correction=0))
    width = 1.06 * sd * len(data) ** -0.2 if sd > 0 else 1.0

    def density(at: Tensor) -> Tensor:
        return torch.exp(-0.5 * ((at.unsqueeze(-1) - data) / width).square()).mean(-1)

    rows = max(_CHUNK // len(data), 1)
    relative = (in_chunks(density, y, rows) / in_chunks(density, data, rows).max()).clamp(0.0, 1.0)
    return (1.0 - strength * relative).clamp_min(0.01)


@dataclass(frozen=True)
class RarityWeightedSd:
    """sd * rarity(mean): uncertain and believed to be unusual. See the module's warning."""

    measured: tuple[float, ...]
    strength: float = 1.0
    name: ClassVar[str] = "rarity_weighted_sd"
    falls_with_sd: ClassVar[bool] = True

    def on(self, belief: Belief) -> Score:
        inside = belief.standardised
        known = [y / belief.scale - belief.loc / belief.scale for y in self.measured]

        def score(X: Tensor) -> Tensor:
            assert X.shape[-2] == 1, "one point at a time: q must be 1"
            mean, sd = (moment.squeeze(-1) for moment in inside.mean_sd(X))
            return belief.scale * sd * rarity(mean, known, self.strength)

        return score

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)


@dataclass(frozen=True)
class RarityWeightedEntropy:
    """The same for classes: consensus entropy times sum_c p_c * w_c.

    w_c is the rarest class's share of the labels over that of class c: 1 for the rarest, less for
    others. `labels` (c,) are the counts so far; one imagined label each keeps a class that has not
    been seen from an infinite weight.
    """

    labels: tuple[int, ...]
    name: ClassVar[str] = "rarity_weighted_entropy"

    def __call__(self, membership: Membership) -> Tensor:
        counts = torch.tensor(self.labels, dtype=torch.float64) + 1.0
        if len(counts) != membership.p.shape[-1]:
            raise ValueError(f"{len(counts)} counts for {membership.p.shape[-1]} classes")
        p = membership.consensus
        return shannon(p) * (p @ (counts.min() / counts))
