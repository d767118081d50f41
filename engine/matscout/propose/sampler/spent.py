"""What the trials of an Optuna study have cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, Trial

from matscout.errors import InputError

COST = "cost_s"
"""The user attribute of a trial that holds its cost, in seconds or whatever unit all have."""

CostOf = Callable[[FrozenTrial], float | None]


def report_cost(trial: Trial, cost: float) -> None:
    """Tell `GpSampler(cost=True)` what `trial` cost, in the same unit for all: seconds, euros, grams.
    Call it within the objective. It is kept as the user attribute "cost_s". InputError unless positive
    and finite.
    """
    if not _is_cost(cost):
        raise InputError("report_cost", f"a cost must be a positive number, got {cost!r}")
    trial.set_user_attr(COST, float(cost))


@dataclass(frozen=True)
class Spent:
    """Reads the cost of a trial: what `cost` says of it, else what was reported, else how many seconds
    it took. 0 for one that runs, and where what is said is no positive number."""

    cost: CostOf | None

    def __call__(self, trial: FrozenTrial) -> float:
        if not trial.state.is_finished():
            return 0.0
        said = trial.user_attrs.get(COST) if self.cost is None else self.cost(trial)
        if said is None and self.cost is None and trial.duration is not None:
            said = trial.duration.total_seconds()
        return float(said) if said is not None and _is_cost(said) else 0.0


def spent(cost: bool | CostOf) -> Spent | None:
    """None where cost is not asked for. InputError for what is neither."""
    if isinstance(cost, bool):
        return Spent(None) if cost else None
    if not callable(cost):
        what = f"must be true, false, or a function of a trial, got {cost!r:.80}"
        raise InputError("GpSampler.cost", what)
    return Spent(cost)


def _is_cost(said: Any) -> bool:
    number = isinstance(said, int | float) and not isinstance(said, bool)
    return number and 0.0 < said < math.inf
