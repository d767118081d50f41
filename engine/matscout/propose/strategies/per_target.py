"""A Gaussian process for each of several targets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from matscout.propose.observations import of_pool
from matscout.propose.pool_process import pool_process
from matscout.propose.strategies.view import PoolView
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Target, Value


def beliefs_of(view: PoolView, targets: Sequence[Target]) -> list[GpPosterior]:
    """Each learned from whatever was measured of that target, the rest believed. Raises FitFailed."""
    beliefs = []
    for target in targets:
        data = of_pool(view.history, target)
        fitted = pool_process(view.candidates, data)
        beliefs.append(fitted.believe(view.unit[view.candidates.rows(data.believed)]))
    return beliefs


def moments(beliefs: Sequence[GpPosterior], X: Tensor) -> tuple[Tensor, Tensor]:
    """Standardised means and sds, (b, m) each."""
    with torch.no_grad():
        parts = [belief.standardised.mean_sd(X) for belief in beliefs]
    means, sds = zip(*parts, strict=True)
    return torch.stack(means, dim=-1), torch.stack(sds, dim=-1)


def expected_of_each(
    view: PoolView, targets: Sequence[Target], beliefs: Sequence[GpPosterior], row: int
) -> dict[str, Value]:
    """Mean and sd of each target at `row`, in its unit and direction; those of the first target
    without its name. What is no number is left out."""
    out: dict[str, float] = {}
    for target, belief in zip(targets, beliefs, strict=True):
        mean, sd = belief.mean_sd(view.unit[row : row + 1])
        name = "" if target == view.target else f"{target.name}."
        out |= {f"{name}mean": target.sign * float(mean), f"{name}sd": float(sd)}
    return {name: value for name, value in out.items() if math.isfinite(value)}
