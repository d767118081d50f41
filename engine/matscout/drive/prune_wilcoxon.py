"""Stop what is worse than the best, fold by fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Literal

import numpy as np
from scipy.stats import wilcoxon  # here: imported at the first verdict, it made that one late

from matscout.drive.fold_means import folds_behind
from matscout.drive.prune_index import Leader
from matscout.errors import InputError
from matscout.history import History
from matscout.propose.memo import Memo
from matscout.trial import Target, Trial

_SAME = 1e-9
"""Folds that differ by less, relative to their size, are tied: out of means they come with rounding."""


@dataclass(frozen=True)
class Wilcoxon:
    """Wilcoxon's signed-rank test (Biometrics Bulletin 1, 1945) of a trial's folds against the same
    folds of the best completed trial, one-sided, ties split between the sides: stops where the
    trial is worse with p below `p`, and so is its mean. As Optuna's WilcoxonPruner.

    Steps are folds. `reports` says what a step's value is: the running mean of the folds so far
    ("mean", as matscout's trainers report) or the fold's own ("fold"). The test is made again
    after every fold, so that more than a share p of equals would be stopped; and n folds never
    give a p below 2⁻ⁿ.
    """

    p: float = 0.1
    min_folds: int = 2
    reports: Literal["mean", "fold"] = "mean"
    _leader: Memo[Leader] = field(
        init=False, repr=False, compare=False, default_factory=lambda: Memo(Leader)
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.p < 1.0:
            raise InputError("early_stopping.p", f"must be between 0 and 1, got {self.p:g}")
        if self.min_folds < 2:
            raise InputError(
                "early_stopping.min_folds", f"must be at least 2, got {self.min_folds}"
            )

    def verdict(self, history: History, trial: Trial) -> str:
        leader = self._leader(history).trial()
        if leader is None or leader.id == trial.id:
            return ""
        mine, best = (self._folds(t, history.targets[0]) for t in (trial, leader))
        shared = [fold for fold in mine if fold in best]
        if len(shared) < self.min_folds:
            return ""
        if np.mean(list(mine.values())) >= np.mean(list(best.values())):
            return ""
        ours, theirs = (np.array([folds[k] for k in shared]) for folds in (mine, best))
        gap = ours - theirs
        gap[np.abs(gap) <= _SAME * np.maximum(np.abs(ours), np.abs(theirs))] = 0.0
        p = float(wilcoxon(gap, alternative="less", zero_method="zsplit").pvalue)
        if not p < self.p:
            return ""
        return f"worse than trial {leader.id} over {len(shared)} folds (p = {p:.2g})"

    def _folds(self, trial: Trial, target: Target) -> dict[int, float]:
        """The signed value of each fold that is known, by step."""
        told = {r.step: r.values[target.name] for r in trial.reports if target.name in r.values}
        if self.reports == "fold":
            return {step: target.sign * value for step, value in told.items()}
        # What was lost in between cannot be taken apart.
        means = [told[step] for step in takewhile(told.__contains__, count(1))]
        return dict(enumerate((target.sign * folds_behind(means)).tolist(), start=1))
