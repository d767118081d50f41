"""Early stopping as pure functions of the history, so that a resume cannot forget it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from matscout.errors import InputError
from matscout.history import History
from matscout.trial import Trial


class Pruner(Protocol):
    def verdict(self, history: History, trial: Trial) -> str:
        """Why `trial` should stop after its latest report, or an empty text to let it go on."""


@dataclass(frozen=True)
class SuccessiveHalving:
    """Asynchronous successive halving (ASHA): Li et al., MLSys 2020, Algorithm 2, stopping variant.

    Rungs lie at steps r·ηᵏ. At a rung a trial goes on only if it is among the best 1/η of all that
    have reported there so far; until η have, all go on.
    """

    min_step: int = 1
    factor: int = 3

    def __post_init__(self) -> None:
        if self.min_step < 1 or self.factor < 2:
            raise InputError("early_stopping", "needs min_step >= 1 and factor >= 2")

    def verdict(self, history: History, trial: Trial) -> str:
        step = trial.reports[-1].step if trial.reports else 0
        if not self._is_rung(step):
            return ""
        values = _at_step(history, step)
        mine = values.pop(trial.id, math.nan)
        if math.isnan(mine):
            return f"not finite at step {step}"
        better = sum(1 for v in values.values() if v > mine)
        peers = len(values) + 1
        if peers < self.factor or better < max(peers // self.factor, 1):
            return ""
        return f"place {better + 1} of {peers} at step {step}"

    def _is_rung(self, step: int) -> bool:
        rung = self.min_step
        while rung < step:
            rung *= self.factor
        return rung == step


@dataclass(frozen=True)
class Median:
    """Stops below the median of what the others had at this step (Golovin et al., KDD 2017, 3.2.2)."""

    min_step: int = 1
    min_trials: int = 5

    def verdict(self, history: History, trial: Trial) -> str:
        step = trial.reports[-1].step if trial.reports else 0
        if step < self.min_step:
            return ""
        values = _at_step(history, step)
        mine = values.pop(trial.id, math.nan)
        if math.isnan(mine):
            return f"not finite at step {step}"
        if len(values) < self.min_trials:
            return ""
        ranked = sorted(values.values())
        median = ranked[len(ranked) // 2]
        return f"below the median at step {step}" if mine < median else ""


def _at_step(history: History, step: int) -> dict[int, float]:
    """Signed value (larger is better) of each trial that reported at `step`, by trial id."""
    target = history.targets[0]

    def reported() -> Iterator[tuple[int, float]]:
        for trial in history.trials:
            for report in trial.reports:
                if report.step == step and target.name in report.values:
                    yield trial.id, target.sign * report.values[target.name]

    return dict(reported())
