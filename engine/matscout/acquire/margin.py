"""The margin between the two likeliest classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from matscout.acquire.membership import Membership


@dataclass(frozen=True)
class Margin:
    """-(p_1st - p_2nd), between -1 and 0; Scheffer, Decomain and Wrobel 2001.

    Negated, because a small margin is what is looked for. With two classes it ranks as entropy and
    least confident do; with more, it does not care how the rest is spread over unlikely classes.
    """

    name: ClassVar[str] = "margin"

    def __call__(self, membership: Membership) -> Tensor:
        first, second = membership.consensus.topk(2, dim=-1).values.unbind(-1)
        return second - first
