"""Monotone warps of a target, with their inverse and Jacobian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from scipy.stats import yeojohnson_normmax
from torch import Tensor


class OutputWarp(Protocol):
    """From the standardised target s to z, in which a Gaussian process is at home. Increasing."""

    name: ClassVar[str]

    def __call__(self, s: Tensor) -> Tensor: ...

    def inverse(self, z: Tensor) -> Tensor: ...

    def log_slope(self, s: Tensor) -> Tensor:
        """log dz/ds, elementwise."""


@dataclass(frozen=True)
class LogWarp:
    """z = sign log(sign (s + offset)) for targets of one sign; offset = loc / scale.

    A target that is minimised comes in negated: then every value is negative, and sign is -1.
    """

    offset: float
    sign: float
    name: ClassVar[str] = "log"

    def __call__(self, s: Tensor) -> Tensor:
        return self.sign * (self.sign * (s + self.offset)).log()

    def inverse(self, z: Tensor) -> Tensor:
        return self.sign * (self.sign * z).exp() - self.offset

    def log_slope(self, s: Tensor) -> Tensor:
        return -(self.sign * (s + self.offset)).log()


@dataclass(frozen=True)
class YeoJohnsonWarp:
    """Yeo and Johnson 2000, equation 2.1. `power` within [0, 2]: beyond, z has an end, and values
    past it no inverse. 1 changes nothing; 0 is log(1 + s) for positive s, 2 for negative.
    """

    power: float
    name: ClassVar[str] = "yeo_johnson"

    @classmethod
    def fitted(cls, s: np.ndarray) -> YeoJohnsonWarp:
        """The power of highest likelihood for s (n,) alone, were it Gaussian."""
        return cls(float(np.clip(yeojohnson_normmax(s, brack=(0.0, 2.0)), 0.0, 2.0)))

    def __call__(self, s: Tensor) -> Tensor:
        up, down = _halves(s)
        return _power(up, self.power) - _power(down, 2.0 - self.power)

    def inverse(self, z: Tensor) -> Tensor:
        up, down = _halves(z)
        return _root(up, self.power) - _root(down, 2.0 - self.power)

    def log_slope(self, s: Tensor) -> Tensor:
        return (self.power - 1.0) * s.sign() * s.abs().log1p()


def _halves(s: Tensor) -> tuple[Tensor, Tensor]:
    """s where it is positive and -s where it is negative, else 0; the slope at 0 is s's alone."""
    return torch.where(s >= 0, s, 0.0), torch.where(s < 0, -s, 0.0)


def _power(s: Tensor, power: float) -> Tensor:
    """((1 + s)^power - 1) / power for s >= 0; its limit log(1 + s) at 0."""
    if abs(power) < 1e-8:
        return s.log1p()
    return (power * s.log1p()).expm1() / power


def _root(z: Tensor, power: float) -> Tensor:
    if abs(power) < 1e-8:
        return z.expm1()
    return ((power * z).log1p() / power).expm1()
