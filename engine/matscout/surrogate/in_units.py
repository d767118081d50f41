"""What posteriors that think in standardised units share: the way out, to physical ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from matscout.surrogate.scaling import Standard


@dataclass(frozen=True)
class InUnits:
    """Subclasses say `_inside`; `units` are what its answers are multiplied and shifted by."""

    units: Standard

    @property
    def loc(self) -> float:
        return self.units.loc

    @property
    def scale(self) -> float:
        return self.units.scale

    @property
    def standardised(self) -> Self:
        return replace(self, units=Standard())

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Of the noise-free value, in physical units: (…, d) -> (…), (…)."""
        mean, sd = self._inside(X.reshape(-1, X.shape[-1]))
        shape = X.shape[:-1]
        return (self.loc + self.scale * mean).reshape(shape), (self.scale * sd).reshape(shape)

    def _inside(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised mean and sd: (b, d) -> (b,), (b,)."""
        raise NotImplementedError


def check_data(X: Tensor, Y: Tensor) -> None:
    """ValueError unless X (n, d) and Y (n, 1) are finite and agree."""
    if Y.dim() != 2 or Y.shape[1] != 1:
        raise ValueError(f"one target at a time: Y must be (n, 1), got {tuple(Y.shape)}")
    if X.dim() != 2 or len(X) != len(Y):
        raise ValueError(f"X must be (n, d) with n = {len(Y)}, got {tuple(X.shape)}")
    if not (torch.isfinite(X).all() and torch.isfinite(Y).all()):
        raise ValueError("X and Y must be finite")
