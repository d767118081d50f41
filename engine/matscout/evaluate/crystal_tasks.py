"""Crystals with several numbers, not all of them known: who trains, who judges, and what each scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from matscout.data.splits import Fold
from matscout.errors import InputError
from matscout.evaluate.lockstep import NetworkFold
from matscout.models.task_objective import TaskObjective

if TYPE_CHECKING:
    from matscout.evaluate.crystal_data import CrystalData
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer


def with_gaps(folds: Sequence[Fold], y: np.ndarray, groups: np.ndarray | None) -> list[Fold]:
    """Folds of the rows whose target y (n,) is known, with the others among the rows that train; of
    `groups` (n,), none that the fold judges.
    """
    others = np.flatnonzero(~np.isfinite(y))
    found = []
    for train, judge in folds:
        own = others if groups is None else others[~np.isin(groups[others], groups[judge])]
        found.append((np.sort(np.concatenate([train, own])), judge))
    return found


def check_tasks(trainer: CrystalGraphTrainer, folds: Sequence[Fold], others: np.ndarray) -> None:
    """InputError where a fold has too little of a number to learn, or none judges it."""
    for name, column in zip(trainer.also_predict, np.isfinite(others).T, strict=True):
        for number, (train, _) in enumerate(folds):
            if column[train].sum() < 2:
                what = f"fold {number} trains on {column[train].sum()} values of '{name}'"
                raise InputError("trainer.also_predict", what, "bring more, or leave it out")
        if not any(column[judge].any() for _, judge in folds):
            what = f"no crystal that judges has a '{name}', so that nobody knows how it went"
            raise InputError("trainer.also_predict", what, "use a k-fold split, or leave it out")


def task_scores(
    trainer: CrystalGraphTrainer, data: CrystalData, parts: Sequence[NetworkFold]
) -> dict[str, float]:
    """By METRIC.NAME, what each number but the first scores: the mean over the folds that judge it, on
    the crystals that have it. Empty where there is one number alone.
    """
    others = data.crystals.others
    if others is None:
        return {}
    found: dict[str, list[float]] = {}
    for part in parts:
        assert isinstance(part.objective, TaskObjective)
        outputs = part.fit.outputs(part.judge)
        for place, name in enumerate(trainer.also_predict):
            truth = others[part.judge, place]
            there = np.isfinite(truth)
            if there.any():
                said = part.objective.of_task(place + 1, outputs, data.metric)
                score = data.metric.score(truth[there], said[there])
                found.setdefault(f"{trainer.metric}.{name}", []).append(score)
    return {name: float(np.mean(scores)) for name, scores in found.items()}
