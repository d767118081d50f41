"""What an acquisition is: a score of candidates under a belief.

One sign, stated here: the belief is about something of which more is better, and a larger score is
better. A target to be minimised is negated once, where the data are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

from torch import Tensor

Score = Callable[[Tensor], Tensor]
"""(b, q, d) -> (b,)."""


class Belief(Protocol):
    """What an acquisition needs of a posterior (see surrogate/base.py)."""

    @property
    def loc(self) -> float: ...

    @property
    def scale(self) -> float: ...

    @property
    def standardised(self) -> Belief: ...

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]: ...


class Acquisition(Protocol):
    """A card: a few numbers, a formula, and the paper that it is from.

    `falls_with_sd` says that a smaller sd at the same mean never scores more. Then scores only fall
    while pending points are believed, and a batch need not score a whole pool again for each pick.
    """

    name: ClassVar[str]
    falls_with_sd: ClassVar[bool]

    def on(self, belief: Belief) -> Score:
        """The score under `belief`, in its units, ready to be called many times."""

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        """(b, q, d) -> (b,)"""
