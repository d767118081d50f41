"""The standard deviation alone: go where least is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from botorch.acquisition.analytic import PosteriorStandardDeviation
from torch import Tensor

from matscout.acquire.as_model import AsModel
from matscout.acquire.base import Belief, Score


@dataclass(frozen=True)
class StandardDeviation:
    """sd of the noise-free value: most gained about the whole (MacKay 1992, Neural Comput. 4, 590).

    It maps the space and does not look for good points: at finding them it is near random.
    """

    name: ClassVar[str] = "sd"
    falls_with_sd: ClassVar[bool] = True

    def on(self, belief: Belief) -> Score:
        score = PosteriorStandardDeviation(AsModel(belief))
        return lambda X: belief.scale * score(X)

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)
