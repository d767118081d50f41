"""BAIT: what leaves the least variance over the whole pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.batch.base import checked, highest

_CHUNK = 4_000_000
"""Numbers held at once: 32 MB."""


@dataclass(frozen=True)
class Bait:
    """Ash et al. 2021 ("Gone fishing"), in the forward form for regression, BAIT-F, of Holzmüller et
    al. 2023: greedily the candidate after which the trace of the posterior variance, over
    candidates and known points together, is smallest.

    The model is Bayesian linear regression on `points` with an intercept: weights ~ N(0, I), noise
    `noise` times the mean squared length of the centred rows. With S the weights' covariance and M
    the sum of x x' over all rows, the trace falls by x'SMSx / (x'Sx + noise). Scores only break
    ties. p of some hundreds at most: p^2 numbers are kept, b p^2 multiplications made for each pick.
    """

    noise: float = 1e-2
    name: ClassVar[str] = "bait"
    diverse: ClassVar[bool] = True

    def pick(self, scores: Tensor, points: Tensor, known: Tensor, q: int) -> list[int]:
        scores, q = checked(scores, points, known, q)
        if q == 0:
            return []
        origin = torch.cat([points, known]).mean(0)
        level = _mean_square(points, origin) or 1.0
        noise = self.noise * level
        moments = _moments(points, origin, level) + _moments(known, origin, level)
        precision = torch.eye(len(moments), dtype=points.dtype)
        covariance = torch.linalg.inv(precision + _moments(known, origin, level) / noise)
        free = torch.ones(len(points), dtype=torch.bool)
        # A copy of a picked row tells more than nothing where the noise is large, yet no copy is
        # taken while others are left: replicates are asked for elsewhere, on purpose.
        copies = torch.zeros(len(points), dtype=torch.bool)
        picked: list[int] = []
        while len(picked) < q:
            eligible = free & ~copies
            gain = _gains(points, origin, level, covariance, moments, noise)
            row = highest(gain, scores, eligible if bool(eligible.any()) else free)
            picked.append(row)
            free[row] = False
            copies |= (points == points[row]).all(-1)
            x = _with_intercept(points[row : row + 1], origin, level).squeeze(0)
            Sx = covariance @ x
            covariance = covariance - torch.outer(Sx, Sx) / (x @ Sx + noise)
        return picked


def _mean_square(points: Tensor, origin: Tensor) -> float:
    parts = [(p - origin).square().sum() for p in points.split(_rows(points))]
    return float(torch.stack(parts).sum()) / len(points)


def _with_intercept(points: Tensor, origin: Tensor, level: float) -> Tensor:
    """Centred rows and a constant of their own typical length."""
    return torch.nn.functional.pad(points - origin, (0, 1), value=level**0.5)


def _moments(points: Tensor, origin: Tensor, level: float) -> Tensor:
    """sum x x', (p + 1, p + 1)."""
    total = torch.zeros(points.shape[1] + 1, points.shape[1] + 1, dtype=points.dtype)
    for part in points.split(_rows(points)):
        rows = _with_intercept(part, origin, level)
        total = total + rows.mT @ rows
    return total


def _gains(
    points: Tensor, origin: Tensor, level: float, covariance: Tensor, moments: Tensor, noise: float
) -> Tensor:
    """By how much the trace falls with each row, (b,)."""
    removed = covariance @ moments @ covariance
    gains = []
    for part in points.split(_rows(points)):
        rows = _with_intercept(part, origin, level)
        gains.append(
            ((rows @ removed) * rows).sum(-1) / (((rows @ covariance) * rows).sum(-1) + noise)
        )
    return torch.cat(gains)


def _rows(points: Tensor) -> int:
    return max(_CHUNK // (points.shape[1] + 1), 1)
