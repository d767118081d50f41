"""Stop what is not among the best part of all that came as far."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from matscout.drive.prune_index import (
    Reported,
    each_step,
    last_steps,
    last_value,
    reported,
    without_value,
)
from matscout.errors import InputError
from matscout.history import History
from matscout.propose.memo import Memo
from matscout.trial import Trial


@dataclass(frozen=True)
class Percentile:
    """Stops a trial whose best value so far is worse than that of all but the best `keep` per cent of
    what the others had at this step: Golovin et al., KDD 2017, section 3.2.2, with another
    percentile than the median, as in Optuna's PercentilePruner.
    """

    keep: float = 25.0
    min_step: int = 1
    min_trials: int = 5
    _index: Memo[Reported] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.keep < 100.0:
            what = f"must be between 0 and 100 per cent, got {self.keep:g}"
            raise InputError("early_stopping.keep", what)
        object.__setattr__(self, "_index", reported(each_step))

    def verdict(self, history: History, trial: Trial) -> str:
        step, target = last_steps(trial)[1], history.targets[0]
        if step < max(self.min_step, 1):
            return ""
        mine = last_value(trial, target)
        if mine is None:
            return without_value(trial, target)
        values = self._index(history).values(step)
        if len(values) - 1 < max(self.min_trials, 1):
            return ""
        told = [r.values[target.name] for r in trial.reports if target.name in r.values]
        best = max(target.sign * value for value in told)
        if best >= quantile_of_others(values, mine, 1.0 - self.keep / 100.0):
            return ""
        return f"not among the best {self.keep:g} % at step {step}"


def quantile_of_others(values: Sequence[float], mine: float, share: float) -> float:
    """The quantile of sorted `values` without `mine`, linear between neighbours (type 7 of Hyndman and
    Fan 1996)."""
    own = bisect_left(values, mine)
    place = share * (len(values) - 2)
    below = min(int(place), len(values) - 2)
    above = min(below + 1, len(values) - 2)
    low, high = (values[k if k < own else k + 1] for k in (below, above))
    part = place - below
    return low * (1.0 - part) + high * part  # a difference of huge values would overflow
