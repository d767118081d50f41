"""The entropy of a committee's votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from matscout.acquire.membership import Membership, shannon


@dataclass(frozen=True)
class VoteEntropy:
    """-sum_c (V_c / k) log(V_c / k), V_c the members that vote for c; Dagan and Engelson 1995.

    In nats, without the constant 1 / log k of the paper. A member that holds two classes equally
    likely gives half a vote to each. It takes few values, (k + 1) / 2 or so for two classes: expect
    ties, and members that are unsure but agree count as sure.
    """

    name: ClassVar[str] = "vote_entropy"

    def __call__(self, membership: Membership) -> Tensor:
        likeliest = (membership.p == membership.p.amax(-1, keepdim=True)).double()
        votes = likeliest / likeliest.sum(-1, keepdim=True)
        return shannon(votes.mean(0))
