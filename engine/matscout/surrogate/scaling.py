"""Between physical units (outside) and what a Gaussian process likes (inside)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class UnitBox:
    """Inputs: each column to [0, 1] by its bounds; columns that do not vary are dropped.

    A constant column would say nothing, yet it would count in the prior on the lengthscales.
    """

    low: Tensor  # (d,)
    width: Tensor  # (d,), 0 where a column is constant

    @classmethod
    def between(cls, low: Tensor, high: Tensor) -> UnitBox:
        # A width below rounding noise would blow that noise up to the size of a signal.
        width = high - low
        level = torch.maximum(low.abs(), high.abs())
        width = torch.where(width > 1e-12 * level, width, 0.0)
        if not bool((width > 0).any()):
            width[0] = 1.0  # nothing varies: one column of zeros keeps the algebra alive
        return cls(low, width)

    @property
    def varying(self) -> Tensor:
        return self.width > 0

    def __call__(self, X: Tensor) -> Tensor:
        """(…, d) -> (…, number of varying columns)."""
        keep = self.varying
        return (X[..., keep] - self.low[keep]) / self.width[keep]


@dataclass(frozen=True)
class Standard:
    """Targets: (y - loc) / scale has mean 0 and sd 1 on what was observed."""

    loc: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, y: Tensor) -> Standard:
        """From the observed y, (n,). Values up to 1e300 do not overflow.

        One value, or equal values, say nothing about a scale: their own size stands in for it.
        """
        if y.numel() == 0:
            return cls()
        size = float(y.abs().max()) or 1.0
        part = y / size
        sd = float(part.std(correction=1)) if y.numel() > 1 else 0.0
        return cls(size * float(part.mean()), size * (sd if sd > 1e-10 else 1.0))

    def __call__(self, y: Tensor) -> Tensor:
        # Divide first: a difference of two values near the largest float would overflow.
        return y / self.scale - self.loc / self.scale

    def variance(self, yvar: Tensor) -> Tensor:
        return yvar / self.scale / self.scale
