"""The probability that a point lies beyond a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from botorch.acquisition.analytic import LogProbabilityOfImprovement
from torch import Tensor

from matscout.acquire.as_model import AsModel, exact
from matscout.acquire.base import Belief, Score


@dataclass(frozen=True)
class LogProbabilityBeyond:
    """log P(f >= threshold) = log Phi((mean - threshold) / sd); Kushner 1964.

    In logs because P itself is an exact 0 or 1 for most of a pool, and then ranks nothing; `exp` of
    the score is the probability. `threshold` is in the target's units, negated like the target
    where that is minimised. To find what passes a threshold, this is the greedy choice; a threshold
    at the best value so far makes it probability of improvement, which stays around the incumbent.
    """

    threshold: float
    name: ClassVar[str] = "log_probability_beyond"
    falls_with_sd: ClassVar[bool] = False  # above the threshold, a smaller sd is more certain

    def on(self, belief: Belief) -> Score:
        threshold = self.threshold / belief.scale - belief.loc / belief.scale
        return LogProbabilityOfImprovement(AsModel(belief), best_f=exact(threshold))

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)
