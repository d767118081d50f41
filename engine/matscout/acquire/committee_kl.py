"""How far a committee's members are from their consensus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from matscout.acquire.membership import Membership


@dataclass(frozen=True)
class CommitteeKL:
    """mean_k sum_c p_kc log(p_kc / p_c), p the consensus; McCallum and Nigam 1998 (ICML).

    "KL divergence to the mean", in nats. The same number as `Bald` of class probabilities (both are
    the Jensen-Shannon divergence of the members), reached from the other side.
    """

    name: ClassVar[str] = "committee_kl"

    def __call__(self, membership: Membership) -> Tensor:
        p, consensus = membership.p, membership.consensus
        each = torch.xlogy(p, p) - torch.xlogy(p, consensus)  # (k, b, c); 0 where p is 0
        return each.sum(-1).mean(0).clamp_min(0.0)
