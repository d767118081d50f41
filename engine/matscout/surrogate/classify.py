"""What a classifier is: a fit of yes and no that returns a probability for every point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Membership(Protocol):
    """A belief about who belongs to the positive class."""

    def probability(self, X: Tensor) -> Tensor:
        """P(positive | x), strictly within 0 and 1: (b, d) -> (b,)."""

    def members(self, X: Tensor) -> Tensor:
        """What each of k voters says: (b, d) -> (k, b). Their mean is `probability`."""


class Classifier(Protocol):
    """Pure: the same data give the same membership."""

    def fit(self, X: Tensor, labels: Tensor) -> Membership:
        """X (n, d) float64, labels (n,) bool. One class, or no row, is not an error."""


@dataclass(frozen=True)
class ConstantMembership:
    """The same everywhere: what there is to say where one class alone has been seen."""

    value: float

    @classmethod
    def of(cls, labels: Tensor) -> ConstantMembership:
        """Laplace's rule of succession: (positives + 1) / (n + 2)."""
        return cls((int(labels.sum()) + 1) / (len(labels) + 2))

    def probability(self, X: Tensor) -> Tensor:
        return torch.full((len(X),), self.value, dtype=torch.float64)

    def members(self, X: Tensor) -> Tensor:
        return self.probability(X).unsqueeze(0)


def one_class(labels: Tensor) -> bool:
    """Whether there is nothing to tell apart."""
    return not bool(labels.any()) or bool(labels.all())


def check_labels(X: Tensor, labels: Tensor) -> None:
    """ValueError unless X (n, d) is finite and labels (n,) are bool."""
    if labels.dtype != torch.bool or labels.shape != (len(X),):
        raise ValueError(f"labels must be bool of shape ({len(X)},), got {tuple(labels.shape)}")
    if X.dim() != 2 or not bool(torch.isfinite(X).all()):
        raise ValueError("X must be (n, d) and finite")
