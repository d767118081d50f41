"""What a trial is going to cost, learned from what trials have cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.base import Acquisition
from matscout.acquire.cost_aware import cooling, cost_aware
from matscout.errors import InputError
from matscout.history import History
from matscout.propose.observations import Observations, Singles
from matscout.propose.refit import learned_once, settled
from matscout.propose.toolbox import SpaceTools
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Trial

LEAST_COSTS = 2
"""One cost says nothing of how costs differ."""


@dataclass(frozen=True)
class MeasuredCost:
    """A Gaussian process of log cost (Snoek et al. 2012, section 3.2: costs are positive and span
    decades), and how much cost counts: `exponent` 1 seeks the most improvement per unit of cost, 0
    forgets cost.
    """

    log_cost: GpPosterior
    exponent: float

    def __call__(self, X: Tensor) -> Tensor:
        """The median cost at each row, in the unit that costs were given in: (b, d) -> (b,)."""
        mean, _ = self.log_cost.mean_sd(X)
        return mean.exp()

    def per_cost(self, inner: Acquisition) -> Acquisition:
        """`inner`, a score in logs, less the exponent times log cost."""
        return cost_aware(inner, self, self.exponent)


def measured_cost(
    tools: SpaceTools, history: History, startup: int, budget: float | None
) -> MeasuredCost | None:
    """What the completed trials' `cost_s` say; None while fewer than two are known.

    With a `budget`, in the unit of cost, the exponent falls from 1 after the first `startup` trials
    to 0 where it is spent (Lee et al. 2020, EI-cool); without, it is 1. Raises FitFailed.
    """
    known = [t for t in history.completed if t.cost_s > 0]
    if len(known) < LEAST_COSTS:
        return None
    ended = max((t.finished + 1 for t in known if t.finished is not None), default=0)
    first = [t for t in known if t.finished is not None and t.finished < settled(ended)]
    groups = tools.encoding.groups
    part = _observed(first if len(first) >= LEAST_COSTS else known)
    learned = learned_once(groups, _rows(tools, part.trials), part)
    data = _observed(known)
    Y = torch.from_numpy(data.y).unsqueeze(-1)
    posterior = GaussianProcess(groups=groups).given(learned, _rows(tools, known), Y)
    return MeasuredCost(posterior, _exponent(history, startup, budget))


def check_cost(cost: Any, budget: Any, acquisition: str | None) -> None:
    """InputError unless the options of a proposer go together."""
    if not isinstance(cost, bool):
        raise InputError("proposer.cost", f"must be true or false, got {cost!r:.80}")
    if cost and acquisition not in (None, "log_ei"):
        what = f"is for improvement, not for {acquisition!r}"
        raise InputError("proposer.cost", what, 'use acquisition = "log_ei", or leave it out')
    number = isinstance(budget, int | float) and not isinstance(budget, bool)
    if budget is not None and not (number and 0 < budget < math.inf):
        raise InputError("proposer.budget_s", f"must be a number above 0, got {budget!r:.80}")
    if budget is not None and not cost:
        raise InputError("proposer.budget_s", "says what cost may be spent", "set cost = true")


def _exponent(history: History, startup: int, budget: float | None) -> float:
    if budget is None:
        return 1.0
    over = history.finished
    begun = _spent([t for t in over if t.id < startup])
    return cooling(_spent(over), budget, begun)


def _spent(trials: Sequence[Trial]) -> float:
    """Of all that ended, however: failed trials cost, too."""
    return sum(t.cost_s + sum(m.cost_s or 0.0 for m in t.replicates) for t in trials)


def _observed(trials: Sequence[Trial]) -> Observations:
    y = np.log([t.cost_s for t in trials])
    unknown = np.full(len(y), np.nan)
    return Observations(trials, y, unknown, [], Singles(np.arange(len(y)), y, unknown))


def _rows(tools: SpaceTools, trials: Sequence[Trial]) -> Tensor:
    return torch.from_numpy(tools.rows(trials))
