"""Expected improvement, in logs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from botorch.acquisition.analytic import LogExpectedImprovement as BotorchLogEI
from torch import Tensor

from matscout.acquire.as_model import AsModel, exact
from matscout.acquire.base import Belief, Score


@dataclass(frozen=True)
class LogExpectedImprovement:
    """log E[max(f - best, 0)]; Ament et al. 2023, equations 8 and 9.

    `best` is what has to be beaten, in the target's units. EI itself underflows to an exact 0, with
    a gradient of 0, wherever little is expected; its logarithm still tells those points apart.
    """

    best: float
    name: ClassVar[str] = "log_ei"
    falls_with_sd: ClassVar[bool] = True

    def on(self, belief: Belief) -> Score:
        best = self.best / belief.scale - belief.loc / belief.scale
        score = BotorchLogEI(AsModel(belief), best_f=exact(best))
        return lambda X: math.log(belief.scale) + score(X)

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)
