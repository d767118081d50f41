"""How likely the likeliest class is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from matscout.acquire.membership import Membership


@dataclass(frozen=True)
class LeastConfident:
    """1 - max_c p_c, between 0 and 1 - 1/c; Lewis and Gale 1994, Culotta and McCallum 2005."""

    name: ClassVar[str] = "least_confident"

    def __call__(self, membership: Membership) -> Tensor:
        return 1.0 - membership.consensus.amax(-1)
