"""Membership from a regressor, and from several sources at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from matscout.surrogate.base import Posterior
from matscout.surrogate.classify import Membership

CERTAIN = 1e-12

FAR = -7.035
"""Φ(FAR) is just below `CERTAIN`. What is more sd below a limit is told apart by how many more: slowly,
by the logarithm, so that no float runs out."""


@dataclass(frozen=True)
class ExceedanceMembership:
    """P(f(x) > threshold) = Φ((mean - threshold) / sd); a `Membership`.

    `threshold` is in the target's unit, and more is better: that of a minimised target comes
    negated, as its values do. One voter. It can rank candidates before any positive is known,
    which no classifier can: below 1e-12, where P says no more, a larger (mean - threshold) / sd is
    still a larger probability.
    """

    posterior: Posterior
    threshold: float

    def probability(self, X: Tensor) -> Tensor:
        # Standardised, so that neither a difference of huge numbers nor a tiny sd is lost.
        limit = self.threshold / self.posterior.scale - self.posterior.loc / self.posterior.scale
        with torch.no_grad():
            mean, sd = self.posterior.standardised.mean_sd(X)
        z = (mean - limit) / sd
        beyond = (z / FAR).clamp(1.0, 1e300)  # 1 wherever P is not clamped from below
        return torch.special.ndtr(z).clamp(CERTAIN, 1.0 - CERTAIN) / (1.0 + beyond.log())

    def members(self, X: Tensor) -> Tensor:
        return self.probability(X).unsqueeze(0)


@dataclass(frozen=True)
class ColumnsMembership:
    """`part`, which sees some columns of X only; a `Membership`."""

    part: Membership
    columns: slice

    def probability(self, X: Tensor) -> Tensor:
        return self.part.probability(X[:, self.columns])

    def members(self, X: Tensor) -> Tensor:
        return self.part.members(X[:, self.columns])


@dataclass(frozen=True)
class MixedMembership:
    """The mean of several; a `Membership`. Its voters are the probabilities that it is made of."""

    parts: Sequence[Membership]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("nothing to mix")

    def probability(self, X: Tensor) -> Tensor:
        return self.members(X).mean(0)

    def members(self, X: Tensor) -> Tensor:
        """(b, d) -> (len(parts), b)"""
        return torch.stack([part.probability(X) for part in self.parts])
