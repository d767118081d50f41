"""Rare classes: whatever balances, weighs, calibrates or cuts learns from the training fold alone."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.evaluate.base import Context
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models.hyperparameters import (
    DecisionSettings,
    PrepareSettings,
    ResampleSettings,
    WeightSettings,
)

ROWS, RARE = 120, 30
CLASSES = "classification"


def choices(settings: Any, name: str) -> list[dict[str, Any]]:
    """A hyperparameter's values, by its name, each as params; without the one that does nothing."""
    (words,) = (
        f.metadata["words"] for f in settings.__dataclass_fields__.values() if f.name == name
    )
    return [{name: word} for word in words if word not in ("none", "half")]


RESAMPLERS = choices(ResampleSettings, "resample")
DECISIONS = [*choices(DecisionSettings, "calibrate"), *choices(DecisionSettings, "threshold")]
WEIGHTS = choices(WeightSettings, "weights")
OF_CLASSES = [params for params in WEIGHTS if params != {"weights": "lds"}]
TRANSFORMS = choices(PrepareSettings, "target_transform")


def write(path: Path, x: np.ndarray, y: list[Any]) -> str:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(
            [["a", "b", "c", "y"], *([*row, t] for row, t in zip(x, y, strict=True))]
        )
    return str(path)


def table(task: str) -> tuple[np.ndarray, list[Any]]:
    """Inputs that say nothing of the target, of which a quarter is of the rare class."""
    rng = np.random.default_rng(7)
    x = rng.normal(10, 2, size=(ROWS, 3)).round(6)
    if task == CLASSES:
        return x, list(rng.permutation(["rare"] * RARE + ["usual"] * (ROWS - RARE)))
    return x, [round(float(v), 6) for v in rng.gamma(2.0, size=ROWS)]


STACK = {
    "model": "stack",
    "stack.members": "extra_trees+linear",
    "stack.extra_trees.n_estimators": 5,
}


def judged(path: str, task: str, params: dict[str, Any], work: Path) -> dict[int, str]:
    """What is predicted of each row of one judging part."""
    metric = "balanced_accuracy" if task == CLASSES else "mae"
    trainer = TabularTrainer(
        table=path, predict="y", model="any", task=task, metric=metric, split="holdout",
        fraction=0.25, hyperparameters={"model": "extra_trees", "extra_trees.n_estimators": 10},
    )  # fmt: skip
    list(trainer.evaluate(params, Context(workdir=work, seed=3)))
    with open(work / "predictions.csv", newline="") as file:
        return {int(line["row"]): line["prediction"] for line in csv.DictReader(file)}


@pytest.mark.filterwarnings("ignore::matscout.models.imbalance.resample.ResampleWarning")
@pytest.mark.parametrize(
    ("task", "params"),
    [
        *((CLASSES, params) for params in [*RESAMPLERS, *DECISIONS, *OF_CLASSES]),
        *(("regression", params) for params in [*TRANSFORMS, *WEIGHTS]),
        *((task, STACK) for task in (CLASSES, "regression")),
    ],
    ids=str,
)
def test_one_judged_row_moves_no_prediction_of_another(
    tmp_path: Path, task: str, params: dict[str, Any]
) -> None:
    x, y = table(task)
    before = judged(write(tmp_path / "a.csv", x, y), task, params, tmp_path / "a")
    row = min(row for row in before if task != CLASSES or y[row] == "usual")
    x[row] = [1e6, -1e6, 1e6]
    y[row] = "rare" if task == CLASSES else 1e7
    after = judged(write(tmp_path / "b.csv", x, y), task, params, tmp_path / "b")
    assert before.keys() == after.keys() and len(before) == ROWS // 4
    assert {r: p for r, p in before.items() if r != row} == {
        r: p for r, p in after.items() if r != row
    }


def score(path: str, params: dict[str, Any]) -> float:
    trainer = TabularTrainer(
        table=path, predict="y", model="any", task=CLASSES, metric="balanced_accuracy",
        split="stratified", folds=4,
        hyperparameters={"model": "extra_trees", "extra_trees.n_estimators": 20},
    )  # fmt: skip
    *_, last = trainer.evaluate(params, Context(seed=3))
    return float(last.values["balanced_accuracy"])


@pytest.mark.filterwarnings("ignore::matscout.models.imbalance.resample.ResampleWarning")
@pytest.mark.parametrize("params", [{}, *RESAMPLERS, STACK], ids=str)
def test_on_labels_that_mean_nothing_nothing_beats_guessing(
    tmp_path: Path, params: dict[str, Any]
) -> None:
    """Guessing has 0.5; its mean over so few rows varies by 0.05 or so."""
    assert score(write(tmp_path / "t.csv", *table(CLASSES)), params) < 0.62


def test_rows_that_were_copied_before_the_split_would_be_seen(tmp_path: Path) -> None:
    x, y = table(CLASSES)
    rare = [row for row in range(ROWS) if y[row] == "rare"]
    copied = [*range(ROWS), *rare, *rare]
    assert score(write(tmp_path / "t.csv", x[copied], [y[row] for row in copied]), {}) > 0.8
