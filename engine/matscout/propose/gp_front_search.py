"""Looking for the first point that keeps the limits while others are on their way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.special import log_ndtr

from matscout.surrogate.posterior import GpPosterior


def without_last(belief: GpPosterior, count: int) -> GpPosterior:
    """`belief` before it was told of the last `count` points."""
    n = len(belief.X) - count
    return replace(belief, X=belief.X[:n], y=belief.y[:n], noise=belief.noise[:n])


def doubting(limits: Sequence[GpPosterior], rows: Tensor) -> list[GpPosterior]:
    """`limits`, kept at 0 or above, if none of `rows` (n, d) keeps them.

    One more search matters only then: the point with the highest chance under these beliefs adds most
    to the chance that any is feasible. Believed to come out as expected, the pending would send every
    other worker to the same spot. A row breaks the limit that it is least likely to keep, by what is
    then expected, mean - sd φ(a)/Φ(a) with a = -mean / sd, and keeps to what was expected of the others.
    """
    if not len(rows):
        return list(limits)
    with torch.no_grad():
        parts = [belief.standardised.mean_sd(rows) for belief in limits]
        mean, sd = (torch.stack(column) for column in zip(*parts, strict=True))  # (limits, n)
        zero = torch.tensor([-b.loc / b.scale for b in limits], dtype=mean.dtype).unsqueeze(-1)
        a = (zero - mean) / sd
        log_density = -0.5 * a.square() - 0.5 * math.log(2.0 * math.pi)
        broken = mean - sd * (log_density - log_ndtr(a)).exp()
        least = log_ndtr(-a).argmin(0)  # (n,)
    told = []
    for i, belief in enumerate(limits):
        y = torch.where(least == i, broken[i], mean[i])
        noise = torch.full((len(rows),), belief.noise_here, dtype=belief.noise.dtype)
        told.append(
            replace(
                belief,
                X=torch.cat([belief.X, belief.box(rows)]),
                y=torch.cat([belief.y, y]),
                noise=torch.cat([belief.noise, noise]),
            )
        )
    return told
