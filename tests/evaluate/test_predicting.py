"""Models fitted again: the same as in the sweep, whatever the new rows are; intervals that hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.predicting import FoldGuess, Guess, Member, predict_rows, shown_to
from matscout.evaluate.predicting_bounds import enough, intervals, label_sets, rows_needed
from matscout.evaluate.predicting_rows import read_new_rows
from matscout.evaluate.trainer_tabular import TabularTrainer

FORMULAS = ("Fe2O3", "NaCl", "TiO2", "CuO", "FeCl3", "Na2O", "MgO", "CaCl2")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """36 rows: numbers, words, formulas, groups; a number and a label to predict."""
    rng = np.random.default_rng(0)
    lines = ["a,b,kind,formula,g,y,label"]
    for row in range(36):
        a, b = rng.normal(size=2)
        gap = "" if row == 5 else f"{b:.5f}"
        label = ("low", "mid", "high")[int(np.digitize(a, [-0.5, 0.5]))]
        y = 5 + a + 0.1 * rng.normal()
        lines.append(
            f"{a:.5f},{gap},{'pq'[row % 2]},{FORMULAS[row % 8]},g{row % 9},{y:.5f},{label}"
        )
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "t.csv"


def trainer_of(table: Path, **more: Any) -> TabularTrainer:
    given: dict[str, Any] = {"inputs": ("a", "b", "kind"), "predict": "y", "folds": 3, **more}
    return TabularTrainer(table=table, **given)


NEW = "a,b,kind,formula\n0.1,0.2,p,Fe2O3\n9,,zz,XeF2\n-0.3,1,q,MgCl2\n"
CLASSES: dict[str, Any] = {"task": "classification", "predict": "label", "split": "stratified"}
CUT: dict[str, Any] = {"task": "classification", "cut": 5.0, "split": "stratified_grouped"}


@pytest.mark.parametrize(
    ("more", "params"),
    [
        ({"model": "ridge", "objective": "cv", "repeats": 2}, {"alpha": 2.0}),
        ({"model": "extra_trees", "fidelity": "rows"}, {"n_estimators": 5}),
        ({"model": "ridge", "objective": "robert", "metric": "rmse"}, {}),
        ({"model": "any", "hyperparameters": {"model": "ridge"}}, {"target_transform": "log1p"}),
        ({"model": "mlp", "epochs": 3}, {"dropout": 0.2}),
        ({"model": "mlp", "epochs": 3, **CLASSES}, {}),
        ({"model": "ridge", **CLASSES}, {}),
        ({"model": "linear", **CLASSES}, {"resample": "smotenc", "resample_neighbors": 2}),
        (
            {"model": "regress_and_cut", "group": "g", **CUT},
            {"regressor": "ridge"},
        ),
        (
            {
                "model": "ridge", "inputs": ("a", "kind", "formula"), "formulas": ("formula",),
                "split": "grouped", "group": "g", "outer_folds": 3,
            },
            {},
        ),
        (
            {"model": "ridge", "inputs": ("a", "formula"), "formulas": ("formula",)},
            {"features": "bonding"},
        ),
    ],
)  # fmt: skip
def test_what_the_trial_left_behind_comes_again(
    table: Path, tmp_path: Path, more: Mapping[str, Any], params: Mapping[str, Any]
) -> None:
    trainer = trainer_of(table, **more)
    for _ in trainer.evaluate(params, Context(seed=7, workdir=tmp_path / "work")):
        pass
    lines = (tmp_path / "work/predictions.csv").read_text().splitlines()[1:]
    left = np.array([line.split(",") for line in lines], dtype=float)
    (tmp_path / "new.csv").write_text(NEW)
    rows = read_new_rows(tmp_path / "new.csv", trainer, shown_to(trainer, [params]))
    members = [Member(0, params, 7)]
    made = predict_rows(trainer, members, rows.x, folds=True)
    ends = trainer.data.plan.ends
    assert list(made.refitted[0]) == list(range(ends, ends + 3))
    for number, said in made.refitted[0].items():
        assert said.tolist() == left[left[:, 1] == number][:, 3].tolist()
    judged = np.concatenate([fold.judged for fold in made.folds])
    assert sorted(judged.tolist()) == list(range(len(trainer.data.rows)))
    again = predict_rows(trainer, members, rows.x, folds=False)
    assert again.new.seen.tolist() == made.new.seen.tolist() and again.folds == ()
    order = [2, 0, 1]
    turned = predict_rows(trainer, members, rows.x[order], folds=False)
    assert turned.new.seen == pytest.approx(made.new.seen[order], rel=1e-6)
    if trainer.task == "classification":
        chances = made.new.chances
        assert chances is not None and chances.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("model", ["gaussian_process", "uncertain"])
def test_stated_uncertainty_is_that_of_the_mixture(table: Path, tmp_path: Path, model: str) -> None:
    """Mean of the variances, and variance of the means, over the models fitted on all rows."""
    trainer = trainer_of(table, model=model)
    given = [{"nu": 1.5}, {"nu": 2.5}]
    if model == "uncertain":
        given = [
            {"kind": "quantile_forest", "trees": 20},
            {"kind": "jackknife_forest", "trees": 20},
        ]
    (tmp_path / "new.csv").write_text(NEW)
    x = read_new_rows(tmp_path / "new.csv", trainer, trainer.data).x
    members = [Member(k, params, 7 + k) for k, params in enumerate(given)]
    single = [predict_rows(trainer, [one], x, folds=False) for one in members]
    one, two = (made.belief for made in single)
    both = predict_rows(trainer, members, x, folds=True)
    found = both.belief
    assert one is not None and two is not None and found is not None
    assert np.allclose(one.mean, single[0].new.seen) and (one.aleatoric > 0).all()
    assert np.allclose(found.mean, both.new.seen)
    assert np.allclose(found.aleatoric**2, (one.aleatoric**2 + two.aleatoric**2) / 2)
    between = (one.mean - two.mean) ** 2 / 2  # of two, with one below the line
    within = (one.epistemic**2 + two.epistemic**2) / 2
    assert np.allclose(found.epistemic**2, within + between) and between.max() > 0
    if model == "gaussian_process":  # far away it knows the noise alone, and how far values vary
        assert one.epistemic[1] > 2 * one.epistemic[0] and np.ptp(one.aleatoric) == 0


def test_it_is_none_where_one_of_the_models_states_none(table: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(NEW)
    sure = {"model": "gaussian_process"}
    for given, there in (
        ([sure], True),
        ([sure, {"model": "ridge"}], False),
        ([{**sure, "target_transform": "sqrt"}], False),
        ([{"model": "average", "average.members": "gaussian_process+ridge"}], False),
    ):
        trainer = trainer_of(table, model="any")
        x = read_new_rows(tmp_path / "new.csv", trainer, trainer.data).x
        members = [Member(k, params, 7) for k, params in enumerate(given)]
        assert (predict_rows(trainer, members, x, folds=False).belief is not None) == there


def test_new_rows_are_laid_out_like_training_rows(table: Path, tmp_path: Path) -> None:
    trainer = trainer_of(table, inputs=("a", "b", "kind", "formula"), formulas=("formula",))
    old = read_new_rows(table, trainer, trainer.data)
    np.testing.assert_array_equal(old.x, trainer.data.columns.x)
    np.testing.assert_array_equal(old.truth, trainer.data.table.target)
    assert sum(bool(text) for text in old.warnings) == 0
    (tmp_path / "new.csv").write_text(NEW)
    rows = read_new_rows(tmp_path / "new.csv", trainer, trainer.data)
    assert rows.x.shape == (3, trainer.data.columns.x.shape[1]) and rows.truth is None
    assert "element F never seen; element Xe never seen; kind 'zz' never seen" in rows.warnings[1]
    assert rows.warnings[1].startswith("a = 9 is above") and rows.warnings[0] == ""
    assert rows.warnings[2] in ("", "far from every training row")


def test_a_row_between_all_others_may_be_far(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    corners = rng.choice([-1.0, 1.0], size=(40, 2)) + 0.01 * rng.normal(size=(40, 2))
    lines = [f"{a},{b},{a + b}" for a, b in corners]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (tmp_path / "new.csv").write_text("a,b\n0,0\n1,1\n")
    trainer = TabularTrainer(table=tmp_path / "t.csv", predict="y")
    rows = read_new_rows(tmp_path / "new.csv", trainer, trainer.data)
    assert rows.warnings == ("far from every training row", "")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a,b,kind,formula\n1,2,p,Fe2Zz3\n", "line 2: 'Fe2Zz3' is no formula"),
        ('a,b,kind,formula\n"0,5",2,p,NaCl\n', "line 2: column 'a' has '0,5': a decimal comma"),
        ("a,b,kind,formula\n1,2,p,NaCl\n1,2,p,\n", "line 3: no formula in column 'formula'"),
        ("a,b,kind,formula,label\n1,2,p,NaCl,middle\n", "no training row has the class 'middle'"),
    ],
)
def test_a_bad_cell_is_named_by_its_line(table: Path, tmp_path: Path, text: str, what: str) -> None:
    given = {**CLASSES, "inputs": ("a", "b", "kind", "formula"), "formulas": ("formula",)}
    trainer = trainer_of(table, **given)
    (tmp_path / "new.csv").write_text(text)
    with pytest.raises(InputError, match=what):
        read_new_rows(tmp_path / "new.csv", trainer, trainer.data)


def folds_of(judged: list[list[int]], said: np.ndarray, new: np.ndarray) -> list[FoldGuess]:
    return [
        FoldGuess(np.array(rows), Guess(said[rows]), Guess(new[k])) for k, rows in enumerate(judged)
    ]


def test_intervals_are_equation_3_1(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth, said, new = rng.normal(size=9), rng.normal(size=9), rng.normal(size=(3, 4))
    judged = [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    low, high = intervals(folds_of(judged, said, new), truth, np.full(4, 0.0), 0.8)
    for place in range(4):
        each = [(new[i % 3, place], abs(truth[i] - said[i])) for i in range(9)]
        # Of nine values at 0.8: the eighth smallest above, the second smallest below.
        assert high[place] == max(sorted(m + r for m, r in each)[7], 0.0)
        assert low[place] == min(sorted(m - r for m, r in each)[1], 0.0)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_rows_needed_is_the_least_that_is_enough(level: float) -> None:
    least = rows_needed(level)
    for count, whether in ((least, True), (least - 1, False)):
        if count:
            folds = folds_of([list(range(count))], np.zeros(count), np.zeros((1, 1)))
            assert enough(folds, level) is whether
            low, _ = intervals(folds, np.zeros(count), np.zeros(1), level)
            assert bool(np.isfinite(low[0])) is whether


def coverage(task: str, level: float) -> float:
    """The share of 2,000 new rows whose truth lies inside, over 40 tables of 30 rows and 50 new ones:
    a noisy line, fitted by least squares in three folds."""
    hits = []
    for draw in range(40):
        rng = np.random.default_rng(draw)
        x, noise = rng.normal(size=80), rng.normal(size=80)
        y = 2 * x + noise if task == "regression" else (x + noise > 0).astype(float)
        old, new = np.arange(30), np.arange(30, 80)
        folds = []
        for k in range(3):
            train, judge = old[old % 3 != k], old[old % 3 == k]
            slope = (x[train] @ (2 * y[train] - (task != "regression"))) / (x[train] @ x[train])
            if task == "regression":
                folds.append(FoldGuess(judge, Guess(slope * x[judge]), Guess(slope * x[new])))
                continue
            p = 1 / (1 + np.exp(-3 * slope * x))
            both, labels = np.stack([1 - p, p], axis=1), (p > 0.5).astype(float)
            one, two = (Guess(p[r], labels[r], both[r]) for r in (judge, new))
            folds.append(FoldGuess(judge, one, two))
        middle = np.median([f.of_new.seen for f in folds], axis=0)
        if task == "regression":
            low, high = intervals(folds, y, middle, level)
            hits.append(np.mean((low <= y[new]) & (y[new] <= high)))
        else:
            inside = label_sets(folds, y, (middle > 0.5).astype(float), level)
            hits.append(np.mean(inside[np.arange(50), y[new].astype(int)]))
    return float(np.mean(hits))


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_intervals_and_sets_cover(task: str, level: float) -> None:
    # The standard error over 40 tables is .01 or less.
    assert coverage(task, level) >= level - 0.03


def test_an_unseen_element_moves_no_other_row(table: Path, tmp_path: Path) -> None:
    trainer = trainer_of(
        table, model="extra_trees", inputs=("a", "formula"), formulas=("formula",),
        hyperparameters={"n_estimators": 4},
    )  # fmt: skip
    said = []
    for name in ("TiO2", "UF6"):
        (tmp_path / "new.csv").write_text(f"a,formula\n0.1,NaCl\n0.2,{name}\n")
        rows = read_new_rows(tmp_path / "new.csv", trainer, trainer.data)
        made = predict_rows(trainer, [Member(0, {}, 1)], rows.x, folds=False)
        said.append(made.new.seen[0])
    assert said[0] == said[1]
