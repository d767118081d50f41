"""What a committee says about classes, and what a score of it is.

The cards for classes are functions of probabilities, not of a Gaussian belief. One sign: a larger
score is better. Entropies are in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

_SLACK = 1e-6
"""By how much a classifier's probabilities may miss 1 in sum: single precision's rounding."""


@dataclass(frozen=True)
class Membership:
    """P(class) by each member for each candidate: p (k members, b candidates, c classes), float64.

    Made by `binary` or `of_classes`, which check that these are probabilities; a single classifier
    is a committee of one. In binary tasks class 1 is the positive one, of which more is wanted.
    """

    p: Tensor

    @classmethod
    def binary(cls, positive: Tensor) -> Membership:
        """P(positive): (b,) by one classifier or (k, b) by a committee."""
        p = torch.atleast_2d(torch.as_tensor(positive, dtype=torch.float64))
        return cls.of_classes(torch.stack([1.0 - p, p], dim=-1))

    @classmethod
    def of_classes(cls, p: Tensor) -> Membership:
        """(b, c) by one classifier or (k, b, c) by a committee. Raises ValueError."""
        p = torch.as_tensor(p, dtype=torch.float64)
        p = p.unsqueeze(0) if p.dim() == 2 else p
        if p.dim() != 3 or p.shape[-1] < 2 or len(p) == 0:
            raise ValueError(f"must be (members, candidates, classes), got {tuple(p.shape)}")
        total = p.sum(-1)
        # Written so that NaN fails too.
        if not bool(
            ((p >= -_SLACK) & (p <= 1 + _SLACK)).all() & ((total - 1).abs() < _SLACK).all()
        ):
            raise ValueError("probabilities must lie in [0, 1] and add up to 1 over the classes")
        p = p.clamp(0.0, 1.0)
        return cls(p / p.sum(-1, keepdim=True))

    @classmethod
    def mixture(cls, parts: Sequence[Membership]) -> Membership:
        """All the members of several committees as one, each committee with the same say.

        Classifiers' P(positive) beside P(y beyond a threshold) by regressors: that mixture finds
        rare positives better than either, and before the first positive is found the regressors'
        part alone says where to look.
        """
        return cls(torch.stack([part.consensus for part in parts]))

    @property
    def consensus(self) -> Tensor:
        """The mean over members, (b, c)."""
        return self.p.mean(0)

    @property
    def positive(self) -> Tensor:
        """P(class 1) by consensus, (b,), of a binary task."""
        if self.p.shape[-1] != 2:
            raise ValueError(f"two classes have a positive one, {self.p.shape[-1]} have none")
        return self.consensus[:, 1]


class MembershipScore(Protocol):
    """A card for classes."""

    name: ClassVar[str]

    def __call__(self, membership: Membership) -> Tensor:
        """(b,), larger is better."""


def shannon(p: Tensor) -> Tensor:
    """-sum p log p over the last dimension, in nats; 0 log 0 is 0."""
    return torch.special.entr(p).sum(-1)
