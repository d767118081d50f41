"""The fits of a learning curve: which rows, and the same scores as a trial's with all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.errors import InputError, RunFailed
from matscout.evaluate import tabular_curve
from matscout.evaluate.base import Context
from matscout.evaluate.tabular_curve import curve_fits, curve_scores
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.trial import Measurement


def trainer(folder: Path, rows: int = 48, **options: Any) -> TabularTrainer:
    rng = np.random.default_rng(1)
    lines = [
        f"{a},{b},g{n // 4},{'rare' if n % 8 == 0 else 'common'},{n},{2 * a - b}"
        for n, (a, b) in enumerate(rng.normal(size=(rows, 2)))
    ]
    (folder / "t.csv").write_text("\n".join(["a,b,group,kind,day,y", *lines]) + "\n")
    given = {"predict": "y", "inputs": ("a", "b"), "folds": 4, **options}
    return TabularTrainer(table=folder / "t.csv", **given)


@pytest.mark.parametrize(
    "options",
    [
        {"model": "extra_trees", "hyperparameters": {"n_estimators": 5}},
        {"model": "extra_trees", "hyperparameters": {"n_estimators": 5}, "fold_threads": 2},
        {"model": "mlp", "epochs": 2},
    ],
)
def test_with_all_rows_it_is_what_a_trial_scores(tmp_path: Path, options: dict[str, Any]) -> None:
    own = trainer(tmp_path, **options)
    fits = curve_fits(own, points=3, draws=2)
    scores = list(curve_scores(own, fits, seed=7))
    assert [one.fit for one in scores] == fits
    *_, last = own.evaluate({}, Context(seed=7))
    assert isinstance(last, Measurement)
    full = [one for one in scores if one.fit.point == 2]
    assert len(full) == 4 and len(scores) == 2 * 2 * 4 + 4  # of all rows there is one draw
    assert np.mean([one.score for one in full]) == pytest.approx(last.values["mae"], rel=1e-12)
    gap = np.mean([one.dummy - one.score for one in full])
    assert gap == pytest.approx(last.values["gap_to_dummy"], rel=1e-12)


def test_the_dummy_has_seen_the_same_rows(tmp_path: Path) -> None:
    own = trainer(tmp_path, model="ridge")
    first = next(curve_scores(own, curve_fits(own, draws=1), seed=0))
    y = own.data.table.target
    middle = np.median(y[first.fit.train])
    assert len(first.fit.train) == 10
    assert first.dummy == pytest.approx(np.abs(y[first.fit.judge] - middle).mean())


def test_groups_stay_whole_and_no_class_is_missing(tmp_path: Path) -> None:
    whole = trainer(tmp_path, model="ridge", split="grouped", group="group")
    groups = whole.data.table.groups
    assert groups is not None
    for fit in curve_fits(whole, draws=2):
        left_out = np.setdiff1d(np.arange(48), fit.train)
        assert not set(groups[fit.train]) & set(groups[left_out])
    classes = trainer(
        tmp_path, model="extra_trees", task="classification", predict="kind", split="stratified",
        folds=3, metric="pr_auc",
    )  # fmt: skip
    for fit in curve_fits(classes):
        assert len(np.unique(classes.data.table.target[fit.train])) == 2


def test_folds_of_unequal_training_rows_make_one_curve(tmp_path: Path) -> None:
    """Forward in time each fold trains on more: a point is a share of each, not a number of rows."""
    own = trainer(tmp_path, 80, model="ridge", objective="time", time="day", folds=4)
    fits = curve_fits(own, points=2, draws=1, least=10)
    assert [(fit.point, fit.fold) for fit in fits] == [(p, f) for p in (0, 1) for f in (0, 1, 2)]
    assert [fit.size for fit in fits] == [10, 20, 30, 20, 40, 60]


@pytest.mark.parametrize(
    ("options", "given", "what"),
    [
        ({}, {"least": 36}, "--least: a curve from 36 rows on needs more than the 36 that a fold"),
        ({"objective": "robert"}, {}, "evaluator.objective: 'robert' is half a worst case"),
        (
            {"task": "classification", "predict": "kind", "split": "grouped", "group": "group",
             "folds": 2, "metric": "accuracy"},
            {"least": 3, "draws": 9},
            "--least: too few rows at the beginning: fold",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_curve(
    tmp_path: Path, options: dict[str, Any], given: dict[str, Any], what: str
) -> None:
    with pytest.raises(InputError, match=what):
        curve_fits(trainer(tmp_path, model="linear", **options), **given)


def test_a_fit_that_breaks_down_is_told_with_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> object:
        raise ValueError("n_neighbors > n_samples")

    monkeypatch.setattr(tabular_curve, "fold_judge", lambda *_: breaks)
    own = trainer(tmp_path, model="ridge")
    with pytest.raises(RunFailed, match=r"with 10 rows \(fold 0, draw 0\) no model .*n_neighbors"):
        next(curve_scores(own, curve_fits(own), seed=0))
