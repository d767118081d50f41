"""A sweep may go by the stated uncertainty, where the model states one; else one line says no."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from matscout.cli.app import main
from matscout.drive.nested_select import check_trainer
from matscout.errors import ExperimentFailed, InputError
from matscout.evaluate.base import Context
from matscout.evaluate.predicting import Member, predict_rows
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models.matern import MaternRegressor
from matscout.models.metrics import METRICS
from matscout.trial import Measurement, Target


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    y = 20 + 5 * x[:, 0] + rng.normal(size=40)
    path = tmp_path / "t.csv"
    lines = ["a,b,y", *(f"{a:.5f},{b:.5f},{v:.5f}" for (a, b), v in zip(x, y, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def trainer(table: Path, **options: Any) -> TabularTrainer:
    own = {"model": "gaussian_process", "metric": "nll", "folds": 3, **options}
    return TabularTrainer(table=table, predict="y", **own)


def test_the_score_is_of_models_that_saw_the_training_rows_alone(
    table: Path, tmp_path: Path
) -> None:
    one = trainer(table, also=("crps", "coverage_error", "mae"), breakdown=True)
    *_, last = one.evaluate({}, Context(seed=1, workdir=tmp_path / "work"))
    assert isinstance(last, Measurement)
    data, found = one.data, []
    for train, judge in data.folds:
        scale = StandardScaler().fit(data.columns.x[train])
        fitted = MaternRegressor().fit(
            scale.transform(data.columns.x[train]), data.table.target[train]
        )
        said = fitted.believe(scale.transform(data.columns.x[judge]))
        both = np.column_stack([said.mean, said.sd])
        found.append([METRICS[n].score(data.table.target[judge], both) for n in ("nll", "crps")])
    nll, crps = np.mean(found, axis=0)
    assert last.values["nll"] == pytest.approx(nll) and last.values["crps"] == pytest.approx(crps)
    assert last.values["gap_to_dummy"] > 0 and "mae.decile_1" in last.values
    assert set(last.values) == set(one.reported()) and one.reported()["nll"] == "min"
    with open(tmp_path / "work/predictions.csv", newline="") as file:
        errors = [abs(float(r["truth"]) - float(r["prediction"])) for r in csv.DictReader(file)]
    assert np.mean(errors) == pytest.approx(last.values["mae"], rel=0.02)
    new = predict_rows(one, [Member(0, {}, 1)], data.columns.x[:2], folds=False).new.seen
    assert new.shape == (2,) and abs(new - data.table.target[:2]).max() < 5


@pytest.mark.parametrize(
    ("model", "params"),
    [("block_gaussian_process", {}), ("uncertain", {"kind": "quantile_forest", "trees": 20})],
)
def test_every_model_that_believes(table: Path, model: str, params: dict[str, Any]) -> None:
    one = trainer(table, model=model, folds=2, fidelity="rows", fidelity_steps=(1, 2))
    *_, last = one.evaluate(params, Context(seed=1))
    assert isinstance(last, Measurement) and last.values["gap_to_dummy"] > 0


def test_what_cannot_be_reported_is_said_before_the_run(table: Path) -> None:
    for model in ("extra_trees", "any", "mlp", "average", "stack", "hurdle"):
        with pytest.raises(InputError, match="'nll' judges a stated uncertainty"):
            trainer(table, model=model).check([])
    with pytest.raises(InputError, match="'crps' judges a stated"):
        trainer(table, model="linear", metric="mae", also=("crps",)).check([])
    with pytest.raises(InputError, match="does not report it"):
        trainer(table).check_targets([Target("crps", "min")])
    with pytest.raises(InputError, match="direction is 'max'"):
        trainer(table).check_targets([Target("nll", "max")])
    for names, given in ((["target_transform"], {}), ([], {"target_transform": "log1p"})):
        with pytest.raises(InputError, match="needs the target as it is"):
            trainer(table, hyperparameters=given).check(names)
    trainer(table, hyperparameters={"target_transform": "none"}).check(["nu"])
    with pytest.raises(ExperimentFailed, match="needs the target as it is"):
        list(trainer(table).evaluate({"target_transform": "sqrt"}, Context()))
    with pytest.raises(InputError, match="--select best"):
        check_trainer("average", {"metric": "nll"}, "nll")
    check_trainer("best", {"metric": "nll"}, "nll")


def test_the_command_line_says_it_in_one_line(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'name = "n"\n[evaluator]\ntype = "tabular"\ntable = "{table}"\npredict = "y"\n'
        'model = "extra_trees"\nmetric = "crps"\n[[targets]]\nname = "crps"\ndirection = "min"\n'
        '[space.parameters.max_depth]\ntype = "int"\nlow = 1\nhigh = 3\n[proposer]\ntype = "random"\n'
        "[run]\ntrials = 1\n",
        encoding="utf-8",
    )
    with pytest.raises(SystemExit) as end:
        main(["sweep", str(config), "--runs", str(tmp_path / "runs")])
    said = capsys.readouterr().err
    assert end.value.code == 2 and "states none" in said and said.count("\n") == 1
    assert not (tmp_path / "runs" / "n").exists()
