"""Shannon's entropy of the class: go where the classifier is least sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from matscout.acquire.membership import Membership, shannon


@dataclass(frozen=True)
class Entropy:
    """H = -sum_c p_c log p_c; Shannon 1948, as uncertainty sampling in Settles 2009, section 3.1.

    Between 0 and log c, in nats. Of a committee, the entropy of its mean: what its members disagree
    about and what each of them leaves open, together.
    """

    name: ClassVar[str] = "entropy"

    def __call__(self, membership: Membership) -> Tensor:
        return shannon(membership.consensus)
