"""Scores per unit of cost, where experiments do not cost the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from matscout.acquire.base import Acquisition, Belief, Score

Cost = Callable[[Tensor], Tensor]
"""(b, d) -> (b,), positive, in any unit: hours, euros, grams."""


def cost_aware(inner: Acquisition, cost: Cost, exponent: float = 1.0) -> Acquisition:
    """log score - exponent * log cost.

    `inner` is a log score (log_ei, log_noisy_ei, log_probability_beyond …): a bound or an sd may be
    negative or has no zero, and "half as good" means nothing for it. exponent 1 is improvement per
    unit cost (Snoek et al. 2012, section 3.2); see `cooling` for one that falls.
    """
    # A card's name and `falls_with_sd` are those of its class; these depend on what is wrapped.
    return cast(Acquisition, _CostAware(inner, cost, exponent))


def cooling(spent: float, budget: float, initial: float = 0.0) -> float:
    """(budget - spent) / (budget - initial), in [0, 1]; the exponent of EI-cool, Lee et al. 2020.

    `spent` is the cost so far, of which `initial` went into the starting points. Cheap experiments
    first, and cost forgotten at the end, when what is left cannot be spent on anything later. EI
    per unit cost alone never comes to a good point that is expensive.
    """
    if budget <= initial:
        return 0.0
    return min(max((budget - spent) / (budget - initial), 0.0), 1.0)


@dataclass(frozen=True)
class _CostAware:
    inner: Acquisition
    cost: Cost
    exponent: float

    @property
    def name(self) -> str:
        return f"{self.inner.name} per cost"

    @property
    def falls_with_sd(self) -> bool:
        return self.inner.falls_with_sd

    def on(self, belief: Belief) -> Score:
        score = self.inner.on(belief)

        def per_cost(X: Tensor) -> Tensor:
            cost = self.cost(X.squeeze(-2))
            if not bool((torch.isfinite(cost) & (cost > 0)).all()):
                raise ValueError("costs must be positive and finite")
            return score(X) - self.exponent * cost.log()

        return per_cost

    def __call__(self, belief: Belief, X: Tensor) -> Tensor:
        return self.on(belief)(X)
