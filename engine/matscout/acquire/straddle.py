"""Straddle: where it is least certain on which side of a threshold a point lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from botorch.acquisition.analytic import PosteriorMean, PosteriorStandardDeviation
from torch import Tensor

from matscout.acquire.as_model import AsModel
from matscout.acquire.base import Belief, Score


@dataclass(frozen=True)
class Straddle:
    """factor * sd - |mean - threshold|; Bryan et al. 2005 (NIPS 18, "Active learning for
    identifying function threshold boundaries"), with their factor of 1.96.

    It maps the boundary of the set {f >= threshold}, from both sides. To collect members of the set
    rather than its border, use the probability beyond.
    """

    threshold: float
    factor: float = 1.96
    name: ClassVar[str] = "straddle"
    falls_with_sd: ClassVar[bool] = True

    def on(self, belief: Belief) -> Score:
        model = AsModel(belief)
        mean, sd = PosteriorMean(model), PosteriorStandardDeviation(model)
        threshold = self.threshold / belief.scale - belief.loc / belief.scale
        return lambda X: belief.scale * (self.factor * sd(X) - (mean(X) - threshold).abs())

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)
