"""Early stopping as pure functions of the history, so that a resume cannot forget it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

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


class Pruner(Protocol):
    def verdict(self, history: History, trial: Trial) -> str:
        """Why `trial` should stop after its latest report, or an empty text to let it go on."""


@dataclass(frozen=True)
class SuccessiveHalving:
    """Asynchronous successive halving (ASHA): Li et al., MLSys 2020, Algorithm 2, stopping variant.

    Rungs lie at steps r·ηᵏ; a trial stands on one with its first report there or beyond. It goes on
    only if it is among the best 1/η of all that have stood there so far; until η have, all go on.
    """

    min_step: int = 1
    factor: int = 3
    _index: Memo[Reported] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_rungs(self.min_step, self.factor)
        object.__setattr__(self, "_index", reported(self._places))

    def verdict(self, history: History, trial: Trial) -> str:
        passed = rungs(self.min_step, self.factor, *last_steps(trial))
        if not passed:
            return ""
        mine = last_value(trial, history.targets[0])
        if mine is None:
            return without_value(trial, history.targets[0])
        return halved(self._index(history).values(passed[-1]), mine, self.factor, trial)

    def _places(self, trial: int, before: int, step: int) -> Sequence[int]:
        return rungs(self.min_step, self.factor, before, step)


@dataclass(frozen=True)
class Median:
    """Stops below the median of what the others had at this step (Golovin et al., KDD 2017, 3.2.2)."""

    min_step: int = 1
    min_trials: int = 5
    _index: Memo[Reported] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", reported(each_step))

    def verdict(self, history: History, trial: Trial) -> str:
        step = last_steps(trial)[1]
        if step < max(self.min_step, 1):
            return ""
        mine = last_value(trial, history.targets[0])
        if mine is None:
            return without_value(trial, history.targets[0])
        values = self._index(history).values(step)
        others = len(values) - 1
        if others < max(self.min_trials, 1):
            return ""
        # The upper median of the others: the value at that place once mine is left out.
        place = others // 2
        median = values[place if place < bisect_left(values, mine) else place + 1]
        return f"below the median at step {step}" if mine < median else ""


def check_rungs(min_step: int, factor: int) -> None:
    for key, value, least in (("min_step", min_step, 1), ("factor", factor, 2)):
        if value < least:
            raise InputError(f"early_stopping.{key}", f"must be at least {least}, got {value}")


def rungs(first: int, factor: int, before: int, step: int) -> list[int]:
    """Those of first, first·η, first·η², … that lie after `before` and not after `step`."""
    passed, rung = [], first
    while rung <= step:
        if rung > before:
            passed.append(rung)
        rung *= factor
    return passed


def halved(values: Sequence[float], mine: float, factor: int, trial: Trial) -> str:
    """Whether `mine` is among the best 1/factor of the sorted `values`, which hold it."""
    better, peers = len(values) - bisect_right(values, mine), len(values)
    if peers < factor or better < max(peers // factor, 1):
        return ""
    return f"place {better + 1} of {peers} at step {trial.reports[-1].step}"
