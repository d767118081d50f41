"""The probability of the positive class: take what is most likely a find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from matscout.acquire.membership import Membership


@dataclass(frozen=True)
class Positive:
    """P(positive) by consensus: the greedy choice of active search (Garnett et al. 2012).

    Where positives are rare it finds most and, since they are what a model lacks, teaches well too;
    where they are many it spoils the model. Fill batches farthest-first within the best 3 q of it.
    """

    name: ClassVar[str] = "positive"

    def __call__(self, membership: Membership) -> Tensor:
        return membership.positive
