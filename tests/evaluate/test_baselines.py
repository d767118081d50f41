"""Baselines: scikit-learn's own cross-validation, measured once, the same whoever measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matscout.drive.baselines import keep_baselines, read_baselines
from matscout.evaluate import baselines
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.runfolder import RunFolder

ROWS = np.random.default_rng(0).normal(size=(40, 3))


def trainer(folder: Path, **options: Any) -> TabularTrainer:
    y = ROWS @ [2.0, 1.0, 0.0] + np.sin(5 * ROWS[:, 2])
    words = options.get("task") == "classification"
    cells = ["hit" if v > 1 else "miss" for v in y] if words else y
    lines = ["a,b,c,y", *(f"{a},{b},{c},{v}" for (a, b, c), v in zip(ROWS, cells, strict=True))]
    path = folder / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return TabularTrainer(table=path, predict="y", **options)


def test_they_are_what_scikit_learn_says(tmp_path: Path) -> None:
    one = trainer(tmp_path)
    found = one.baselines(1)["models"]
    assert set(found) == {"dummy", "linear", "random forest"}
    x, y = one.data.columns.x, one.data.table.target
    for name, model in (
        ("dummy", DummyRegressor(strategy="median")),
        ("linear", make_pipeline(StandardScaler(), Ridge())),
    ):
        scores = -cross_val_score(model, x, y, cv=one.data.folds, scoring="neg_mean_absolute_error")
        assert found[name]["scores"] == pytest.approx(scores)
        assert found[name]["value"] == pytest.approx(scores.mean())
        assert found[name]["sem"] == pytest.approx(scores.std(ddof=1) / np.sqrt(5))
    assert found["linear"]["value"] < found["random forest"]["value"] < found["dummy"]["value"]


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "robert", "repeats": 1},
        {"task": "classification", "metric": "mcc", "split": "stratified"},
        {"task": "classification", "metric": "brier", "split": "stratified"},
    ],
    ids=["robert", "mcc", "brier"],
)
def test_they_follow_the_objective_and_the_task(options: dict[str, Any], tmp_path: Path) -> None:
    one = trainer(tmp_path, model="extra_trees", **options)
    found = one.baselines(1)
    again = trainer(tmp_path, model="extra_trees", **options).baselines(2)
    assert json.loads(json.dumps(found, allow_nan=False)) == again
    sign = one.data.metric.sign
    assert sign * found["models"]["linear"]["value"] > sign * found["models"]["dummy"]["value"]
    for model in found["models"].values():
        assert model["value"] == pytest.approx(one.data.plan.value(model["scores"]))


def test_they_are_kept_for_the_same_data_and_made_anew_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, made = RunFolder(tmp_path), []
    real = TabularTrainer.baselines
    monkeypatch.setattr(
        TabularTrainer, "baselines", lambda self, jobs: (made.append(jobs), real(self, jobs))[1]
    )
    for _ in range(2):
        keep_baselines(run, trainer(tmp_path))
    assert len(made) == 1
    kept = read_baselines(run)
    assert kept["target"] == kept["metric"] == "mae" and kept["ratio"] == pytest.approx(0.25)
    keep_baselines(run, trainer(tmp_path, folds=4))
    assert len(made) == 2 and len(read_baselines(run)["models"]["linear"]["scores"]) == 4
    assert not list(tmp_path.glob(".baselines*"))
    # What an earlier version measured on these data is theirs, too.
    monkeypatch.setattr(TabularTrainer, "is_baseline", lambda self, digest_of: True)
    keep_baselines(run, trainer(tmp_path, folds=2))
    assert len(made) == 2
    monkeypatch.setattr(TabularTrainer, "target_name", "another")
    keep_baselines(run, trainer(tmp_path, folds=2))
    assert len(made) == 3


def test_it_is_said_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    believing = trainer(tmp_path, model="gaussian_process", metric="nll", folds=2)
    for place, (one, most) in enumerate(((believing, 10**6), (trainer(tmp_path, folds=2), 10))):
        monkeypatch.setattr(baselines, "MOST", most)
        (folder := tmp_path / str(place)).mkdir()
        keep_baselines(RunFolder(folder), one, 1, said.append)
    assert said == [
        "measuring a dummy on the same folds", "measuring a dummy and a linear model on the same folds"
    ]  # fmt: skip


def test_formulas_that_are_taken_for_words_are_told_once(tmp_path: Path) -> None:
    formulas, words = ["Fe2O3", "NaCl", "TiO2", "CaF2"], ["oak", "elm", "ash", "fir"]
    cells = zip(ROWS[:, 0], formulas * 10, words * 10, strict=True)
    text = "\n".join(["a,comp,wood,y", *(f"{a},{f},{w},{a}" for a, f, w in cells)])
    (tmp_path / "f.csv").write_text(text + "\n")
    for number, told in enumerate(({}, {"formulas": ["comp"]}, {"categorical": ["comp"]})):
        said: list[str] = []
        one = TabularTrainer(table=tmp_path / "f.csv", predict="y", folds=2, **told)
        (folder := tmp_path / str(number)).mkdir()
        for _ in range(2):
            keep_baselines(RunFolder(folder), one, 1, said.append)
        assert len(said) == (1 if told else 2)
        if not told:
            assert "'comp' looks like chemical formulas" in said[0]
            assert 'formulas = ["comp"]' in said[0] and "wood" not in said[0]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 3}', "\x00", '{"models": 1}'])
def test_a_spoilt_file_is_no_file(text: str, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert read_baselines(run) == {}
    run.baselines.write_text(text)
    assert read_baselines(run) == {}
    keep_baselines(run, trainer(tmp_path, folds=2))
    assert read_baselines(run)["target"] == "mae"


def test_nothing_leaks_into_them(tmp_path: Path) -> None:
    """Linear's score on a fold is a function of the training rows and that fold's own."""
    one = trainer(tmp_path)
    before = one.baselines(1)["models"]["linear"]["scores"]
    judge = next(iter(KFold(5, shuffle=True, random_state=0).split(ROWS)))[1]
    path = Path(one.table)
    lines = path.read_text().splitlines()
    lines[1 + int(judge[0])] = "1e6,-1e6,1e5,1e6"
    path.write_text("\n".join(lines) + "\n")
    after = TabularTrainer(table=path, predict="y").baselines(1)["models"]["linear"]["scores"]
    x, y = one.data.columns.x, one.data.table.target
    train, rows = one.data.folds[0]
    fitted = make_pipeline(StandardScaler(), Ridge()).fit(x[train], y[train])
    others = np.abs(fitted.predict(x[rows]) - y[rows])[rows != judge[0]].sum()
    changed = fitted.predict(np.array([[1e6, -1e6, 1e5]]))[0]
    assert after[0] == pytest.approx((others + abs(changed - 1e6)) / len(rows))
    assert after[0] != before[0]
