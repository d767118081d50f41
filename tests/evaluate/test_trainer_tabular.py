"""The tabular trainer: what it reports, that nothing leaks across a fold, and mistakes by name."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.errors import ExperimentFailed, InputError
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models import tabular
from matscout.models.tabular import MODELS, Columns
from matscout.trial import Measurement, Report

FAST = {
    "random_forest": {"n_estimators": 10},
    "extra_trees": {"n_estimators": 10},
    "hist_gradient_boosting": {"max_iter": 10, "min_samples_leaf": 5},
    "mlp": {"hidden_features": 8, "lr": 0.01},
}
HEADER = ["a", "b", "phase", "y"]


def rows(n: int = 40) -> list[list[Any]]:
    rng = np.random.default_rng(0)
    made: list[list[Any]] = []
    for a, b in rng.normal(10, 2, size=(n, 2)):
        phase = rng.choice(["bcc", "fcc", ""])
        made.append(["" if rng.random() < 0.1 else a, b, phase, 3 * a + b + 5 * (phase == "fcc")])
    return made


def write(path: Path, table: list[list[Any]], header: list[str] = HEADER) -> str:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *table])
    return str(path)


def evaluated(
    trainer: TabularTrainer, params: dict[str, Any], **context: Any
) -> tuple[list[Report], Measurement]:
    *reports, last = trainer.evaluate(params, Context(**context))
    assert isinstance(last, Measurement)
    assert all(isinstance(report, Report) for report in reports)
    return reports, last  # type: ignore[return-value]


@pytest.mark.parametrize("model", MODELS)
def test_reports_and_measurement(model: str, tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", rows())
    trainer = TabularTrainer(table=table, predict="y", model=model, epochs=40, target="error")
    work = tmp_path / "work"
    reports, last = evaluated(trainer, FAST.get(model, {}), workdir=work, seed=3)
    steps = 40 if model == "mlp" else 5
    assert [report.step for report in reports] == list(range(1, steps + 1))
    assert all(report.values.keys() == {"error"} for report in reports)
    assert reports[-1].values["error"] == last.values["error"]
    assert last.values["gap_to_dummy"] > 0 and last.sem["error"] > 0
    with open(work / "predictions.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert sorted(int(line["row"]) for line in lines) == list(range(40))
    folds: dict[str, list[float]] = {}
    for line in lines:
        error = abs(float(line["truth"]) - float(line["prediction"]))
        folds.setdefault(line["fold"], []).append(error)
    scores = [np.mean(errors) for errors in folds.values()]
    assert last.values["error"] == pytest.approx(np.mean(scores))
    assert last.sem["error"] == pytest.approx(np.std(scores, ddof=1) / np.sqrt(5))
    assert evaluated(trainer, FAST.get(model, {}), seed=3)[1] == last


@pytest.mark.parametrize("metric", ["balanced_accuracy", "pr_auc"])
@pytest.mark.parametrize("model", MODELS)
def test_classification(model: str, metric: str, tmp_path: Path) -> None:
    table = [[*row[:3], "glass" if row[3] > 42 else "crystal"] for row in rows(60)]
    trainer = TabularTrainer(
        table=write(tmp_path / "t.csv", table), predict="y", model=model, task="classification",
        metric=metric, split="stratified", folds=3, epochs=20,
    )  # fmt: skip
    _, last = evaluated(trainer, FAST.get(model, {}))
    assert last.values["gap_to_dummy"] > 0.1 and last.values[metric] <= 1


def predictions(table: str, work: Path, model: str, params: dict[str, Any]) -> dict[int, str]:
    trainer = TabularTrainer(
        table=table, predict="y", model=model, split="holdout", fraction=0.25, epochs=4
    )
    evaluated(trainer, {**FAST.get(model, {}), **params}, workdir=work)
    with open(work / "predictions.csv", newline="") as file:
        return {int(line["row"]): line["prediction"] for line in csv.DictReader(file)}


def leaks(tmp_path: Path, model: str, params: dict[str, Any]) -> bool:
    """Whether the inputs and target of one judging row move the prediction of another.

    Imputer, scaler, encoder, target transform and model see training rows alone exactly if not.
    """
    table = rows()
    before = predictions(write(tmp_path / "a.csv", table), tmp_path / "a", model, params)
    judged = sorted(before)[0]
    table[judged] = [1e6, -1e6, "amorphous", 1e7]
    after = predictions(write(tmp_path / "b.csv", table), tmp_path / "b", model, params)
    assert before.keys() == after.keys() and len(before) == 10
    return any(before[row] != after[row] for row in before if row != judged)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "params",
    [
        {"imputer": "mean", "scaler": "standard", "target_transform": "standard"},
        {"imputer": "median", "scaler": "robust", "target_transform": "log1p"},
        {"imputer": "most_frequent", "scaler": "none", "target_transform": "none"},
    ],
    ids=["standard", "robust", "none"],
)
def test_nothing_is_fitted_outside_the_training_fold(
    model: str, params: dict[str, Any], tmp_path: Path
) -> None:
    assert not leaks(tmp_path, model, params)


@pytest.mark.parametrize("model", ["ridge", "svm", "mlp"])
def test_a_planted_leak_is_found(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tabular.columns

    def scaled_over_all_rows(*parts: Any, **more: Any) -> Columns:
        data = real(*parts, **more)
        return Columns(
            (data.x - np.nanmean(data.x, axis=0)) / np.nanstd(data.x, axis=0), data.numbers
        )

    monkeypatch.setattr(tabular, "columns", scaled_over_all_rows)
    assert leaks(tmp_path, model, {"scaler": "none"})


def test_the_split_is_the_same_for_all_trials_and_the_seed_is_the_trials(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", rows())
    trainer = TabularTrainer(table=table, predict="y", hyperparameters={"n_estimators": 5})
    one, other = (evaluated(trainer, {}, seed=seed)[1] for seed in (1, 2))
    assert one.values["mae"] != other.values["mae"]
    ridge = TabularTrainer(table=table, predict="y", model="ridge")
    one, other = (evaluated(ridge, {}, seed=seed)[1] for seed in (1, 2))
    assert one == other


def test_params_override_hyperparameters(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", rows())
    plain = TabularTrainer(table=table, predict="y", model="ridge")
    given = TabularTrainer(table=table, predict="y", model="ridge", hyperparameters={"alpha": 9.0})
    assert evaluated(given, {})[1] == evaluated(plain, {"alpha": 9.0})[1]
    assert evaluated(given, {"alpha": 1.0})[1] == evaluated(plain, {})[1]


def test_grouped_rows_stay_together_and_the_group_is_no_input(tmp_path: Path) -> None:
    table = [[f"g{k // 5}", *row] for k, row in enumerate(rows())]
    trainer = TabularTrainer(
        table=write(tmp_path / "t.csv", table, ["comp", *HEADER]), predict="y", group="comp",
        split="grouped", folds=4, hyperparameters={"n_estimators": 5},
    )  # fmt: skip
    assert "comp" not in trainer.data.table.columns
    for train, judge in trainer.data.folds:
        assert not set(train // 5) & set(judge // 5)
    assert evaluated(trainer, {})[1].values["mae"] > 0


def test_repeats_do_not_shrink_the_standard_error(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", rows())
    trainer = TabularTrainer(
        table=table, predict="y", model="ridge", split="repeated", folds=4, repeats=6
    )
    reports, last = evaluated(trainer, {})
    running = np.array([report.values["mae"] for report in reports])
    scores = np.diff(running * np.arange(1, 25), prepend=0)
    assert last.sem["mae"] == pytest.approx(np.std(scores, ddof=1) / np.sqrt(4))


def test_a_single_fold_has_no_standard_error(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", rows())
    trainer = TabularTrainer(table=table, predict="y", model="ridge", split="holdout")
    assert evaluated(trainer, {})[1].sem == {}


def test_a_loss_that_explodes_is_measured_and_not_waited_for(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", rows())
    trainer = TabularTrainer(table=table, predict="y", model="mlp", epochs=500)
    wild = {"lr": 10.0, "momentum": 0.999, "optimizer": "sgd", "schedule": "constant"}
    reports, last = evaluated(trainer, {**wild, "activation": "relu", "hidden_layers": 8})
    assert len(reports) < 500 and np.isnan(reports[-1].values["mae"])
    assert np.isnan(last.values["mae"]) and last.sem == {}


@pytest.mark.parametrize(
    ("options", "params", "what"),
    [
        ({"table": "absent.csv"}, {}, "absent.csv: no such file"),
        ({"predict": "yy"}, {}, "did you mean 'y'"),
        ({"inputs": ["aa"]}, {}, "no column 'aa'"),
        ({"model": "extra_tree"}, {}, "did you mean 'extra_trees'"),
        ({"metric": "mea"}, {}, "did you mean 'mae'"),
        ({"metric": "roc_auc"}, {}, "'roc_auc' is for classification"),
        ({"split": "kfolds"}, {}, "did you mean 'kfold'"),
        ({"split": "grouped"}, {}, "group column"),
        ({"folds": 99}, {}, "40 rows do not make 99 folds"),
        ({"folds": 1}, {}, "trainer.folds"),
        ({"epochs": 0}, {}, "trainer.epochs"),
        ({"checkpoint_s": -1}, {}, "trainer.checkpoint_s"),
        ({"task": "regresion"}, {}, "did you mean 'regression'"),
        ({"task": "classification"}, {}, "classes in 40 rows"),
        ({"hyperparameters": {"n_estimator": 5}}, {}, "did you mean 'n_estimators'"),
        ({}, {"max_dept": 3}, "params.max_dept: no such hyperparameter; did you mean 'max_depth'"),
        ({}, {"max_depth": -3}, "max_depth"),
        ({"model": "mlp"}, {"learning_rate": 1}, "params.learning_rate"),
        ({"model": "mlp"}, {"lr": 99.0}, "params.lr"),
    ],
)
def test_mistakes_are_one_line(
    options: dict[str, Any], params: dict[str, Any], what: str, tmp_path: Path
) -> None:
    table = write(tmp_path / "t.csv", rows())
    with pytest.raises((InputError, ExperimentFailed), match=what) as caught:
        trainer = TabularTrainer(**{"table": table, "predict": "y", **options})
        list(trainer.evaluate(params, Context()))
    assert "\n" not in str(caught.value)


def test_a_space_is_checked_against_the_model_before_a_run(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", rows())
    trainer = TabularTrainer(table=table, predict="y", inputs=["a", "b"])
    assert trainer.inputs == ("a", "b") and trainer.metric == "mae" and not trainer.costly
    trainer.check(["n_estimators", "scaler"])
    with pytest.raises(InputError, match=r"space.parameters.n_trees: no such hyperparameter"):
        trainer.check(["n_trees"])


def test_a_fold_of_one_class_is_refused(tmp_path: Path) -> None:
    table = [[*row[:3], "rare" if k == 0 else "common"] for k, row in enumerate(rows())]
    trainer = TabularTrainer(
        table=write(tmp_path / "t.csv", table), predict="y", task="classification"
    )
    with pytest.raises(InputError, match="stratified"):
        trainer.check([])


def test_a_real_table_with_words(shared_data: Path) -> None:
    """Direct arylation (Shields 2021): 1,728 reactions, three of five conditions are words."""
    trainer = TabularTrainer(
        table=str(shared_data / "baybe" / "direct_arylation.csv"), predict="yield",
        inputs=("Base", "Ligand", "Solvent", "Concentration", "Temp_C"), folds=3,
    )  # fmt: skip
    _, last = evaluated(trainer, {"n_estimators": 30})
    assert last.values["mae"] < 7 and last.values["gap_to_dummy"] > 12
