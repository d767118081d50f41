"""Desirability: several targets in one number between 0 (useless) and 1 (as good as need be).

Derringer and Suich 1980, "Simultaneous optimization of several response variables", J. Qual. Technol.
12, 214, equations 1 to 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Desirability(Protocol):
    def __call__(self, y: Tensor) -> Tensor:
        """Values in the target's own unit and direction (never negated) -> the same shape."""


@dataclass(frozen=True)
class Larger:
    """One-sided: ((y - low) / (high - low))^weight, 0 below `low` and 1 above `high`.

    A weight above 1 asks for values close to `high`.
    """

    low: float
    high: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        _require(self.low < self.high and self.weight > 0, self)

    def __call__(self, y: Tensor) -> Tensor:
        return ((y - self.low) / (self.high - self.low)).clamp(0.0, 1.0) ** self.weight


@dataclass(frozen=True)
class Smaller:
    """One-sided, of -y: 1 below `low`, 0 above `high`."""

    low: float
    high: float
    weight: float = 1.0

    def __post_init__(self) -> None:
        _require(self.low < self.high and self.weight > 0, self)

    def __call__(self, y: Tensor) -> Tensor:
        return Larger(-self.high, -self.low, self.weight)(-y)


@dataclass(frozen=True)
class Near:
    """1 at `aim`, falling to 0 at `low` and at `high`: two-sided."""

    low: float
    aim: float
    high: float
    weight_below: float = 1.0
    weight_above: float = 1.0

    def __post_init__(self) -> None:
        ordered = self.low < self.aim < self.high
        _require(ordered and self.weight_below > 0 and self.weight_above > 0, self)

    def __call__(self, y: Tensor) -> Tensor:
        rising = Larger(self.low, self.aim, self.weight_below)(y)
        falling = Smaller(self.aim, self.high, self.weight_above)(y)
        return torch.where(y <= self.aim, rising, falling)


def overall(values: Tensor, each: Sequence[Desirability]) -> Tensor:
    """The geometric mean (d_1 … d_m)^(1/m): values (…, m) -> (…).

    One useless property makes the whole useless, which no sum of scores does.
    """
    if values.shape[-1] != len(each):
        raise ValueError(f"{len(each)} desirabilities for {values.shape[-1]} targets")
    parts = [d(values[..., index]) for index, d in enumerate(each)]
    return torch.stack(parts, dim=-1).log().mean(-1).exp()


def expected(draws: Tensor, each: Sequence[Desirability]) -> Tensor:
    """E[D] over draws (s, b, m) of the targets in their own units -> (b,).

    Not D of the mean: where the mean of one target is just useless, D is 0 all around, and a chance
    that it is better than that would not be seen.
    """
    return overall(draws, each).mean(0)


def _require(sound: bool, of: object) -> None:
    if not sound:
        raise ValueError(f"limits must ascend and weights be positive, got {of}")
