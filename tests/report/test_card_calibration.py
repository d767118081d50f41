"""What a card says of probabilities, against sums done by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matscout.drive.recipe_fold import Outside
from matscout.drive.recipe_plan import Plan, Question
from matscout.drive.recipe_result import honest
from matscout.models.metrics import metric
from matscout.report.card import Rows
from matscout.report.card_calibration import calibration
from matscout.report.markup import number


def fold(truth: np.ndarray, guess: np.ndarray) -> Outside:
    rows = tuple(range(len(truth)))
    return Outside(
        "r", (), 0.5, 0.5, "", {"recipe": 0.5}, rows, tuple(truth.tolist()), tuple(guess.tolist()),
        float("nan"), float("nan"), 1, 9, 0.0, {},
    )  # fmt: skip


def plan(task: str = "classification") -> Plan:
    classes = task == "classification"
    own = metric("balanced_accuracy" if classes else "mae", task)
    ranked = metric("roc_auc" if classes else "mae", task)
    return Plan(Question(Path("t.csv"), "y"), task, own, ranked, {}, 9, 2, ())  # type: ignore[arg-type]


def said(chance: np.ndarray, truth: np.ndarray) -> list[str | Rows]:
    folds = [fold(truth[k::2], chance[k::2]) for k in range(2)]
    return list(calibration(plan(), honest(folds, plan().metric), ("no", "yes")))


def test_brier_and_bins_by_hand() -> None:
    chance = np.array([0.12, 0.12, 0.88, 0.88] * 10)
    truth = np.array([0.0, 0.0, 1.0, 1.0] * 10)
    words, table = said(chance, truth)[:2]
    assert isinstance(words, str) and f"Brier score {number(0.0144)}" in words
    assert f"gives {number(0.25)}" in words and "'yes'" in words
    assert f"ten bins {number(0.12)}" in words
    assert isinstance(table, Rows)
    assert [row[:2] for row in table.rows] == [("12.0%", "0.0%"), ("88.0%", "100.0%")]
    assert [row[3] for row in table.rows] == ["20", "20"]


@pytest.mark.parametrize("honest_one", [True, False])
def test_a_warning_only_where_chance_does_not_explain_it(honest_one: bool) -> None:
    rng = np.random.default_rng(1)
    chance = rng.uniform(size=4000)
    happens = chance if honest_one else np.clip(chance**3, 0, 1)
    truth = (rng.uniform(size=4000) < happens).astype(float)
    warned = any(isinstance(p, str) and p.startswith("Beware") for p in said(chance, truth))
    assert warned is not honest_one


def test_nothing_for_numbers_and_no_curve_without_probabilities() -> None:
    truth = np.array([0.0, 1.0, 1.0, 0.0])
    other = honest([fold(truth, truth)], metric("mae", "regression"))
    assert list(calibration(plan("regression"), other, ())) == []
    assert len(list(calibration(plan(), other, ("a", "b", "c")))) == 1
    (words,) = said(3 * truth, truth)
    assert isinstance(words, str) and "no probabilities" in words
