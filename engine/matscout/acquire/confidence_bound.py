"""The confidence bound: how good a point may well be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from botorch.acquisition.analytic import UpperConfidenceBound
from torch import Tensor

from matscout.acquire.as_model import AsModel, exact
from matscout.acquire.base import Belief, Score


@dataclass(frozen=True)
class ConfidenceBound:
    """mean + beta * sd: GP-UCB of Srinivas et al. 2010, equation 6.

    `beta` multiplies the sd, as the field writes LCB; BoTorch's own beta is its square. For a
    target that is minimised this is the lower confidence bound, negated like the target.
    """

    beta: float = 1.0
    name: ClassVar[str] = "lcb"
    falls_with_sd: ClassVar[bool] = True

    def on(self, belief: Belief) -> Score:
        score = UpperConfidenceBound(AsModel(belief), beta=exact(self.beta**2))
        return lambda X: belief.loc + belief.scale * score(X)

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)
