"""Options of the tabular trainer that say what is learnt from, and which rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold

from matscout.checkpoint import CheckpointStore
from matscout.data.bonding import bonding_features
from matscout.errors import ExperimentFailed, InputError, RunFailed
from matscout.evaluate.base import Context
from matscout.evaluate.predicting_rows import read_new_rows
from matscout.evaluate.tabular_data import digest_with_bonding
from matscout.evaluate.trainer_options import digest
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models import columns, tabular
from matscout.trial import Measurement, Params, Report

FORMULAS = ("NaCl", "KBr", "CsI", "LiF", "MgO", "CaO", "SrTiO3", "BaTiO3", "Fe2O3", "ZnS")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """40 rows: a formula, a temperature, a day, a hardness that the formula and heat decide."""
    rng = np.random.default_rng(0)
    path = tmp_path / "t.csv"
    lines = ["formula,heat,day,hardness"]
    for row in range(40):
        formula = FORMULAS[row % len(FORMULAS)]
        heat = float(rng.uniform(0, 1))
        hard = 3.0 * (row % len(FORMULAS)) + heat
        lines.append(f"{formula},{heat:.4f},2026-01-{row // 2 + 1:02d},{hard:.4f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def trainer(table: Path, **options: Any) -> TabularTrainer:
    return TabularTrainer(table=table, predict="hardness", **options)


def measured(one: TabularTrainer, params: Params) -> Measurement:
    *_, last = one.evaluate(params, Context(seed=3))
    assert isinstance(last, Measurement)
    return last


def test_formulas_are_learnt_from_as_compositions(table: Path) -> None:
    one = trainer(table, formulas=("formula",), inputs=("formula", "heat"))
    blocks = [name for name, _, _ in one.data.columns.blocks]
    assert blocks == ["fractions", "statistics"]
    assert measured(one, {}).values["mae"] < 3.0
    assert measured(one, {"features": "fractions"}).values["mae"] < 3.0
    with pytest.raises(InputError, match="no column of words"):
        _ = trainer(table, formulas=("heat",), inputs=("formula", "heat")).data


def test_features_that_no_model_is_shown_are_not_computed(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(cells: Sequence[str]) -> Any:
        asked.append(len(cells))
        return bonding_features(cells)

    monkeypatch.setattr(columns, "bonding_features", counted)
    one = trainer(table, formulas=("formula",), inputs=("formula", "heat"), model="any")
    one.check(["model", "extra_trees.features"])
    measured(one, {"model": "linear"})
    small = {"model": "extra_trees", "extra_trees.n_estimators": 5}
    plain = measured(one, small)
    assert asked == []
    rich = measured(one, {**small, "extra_trees.features": "bonding"})
    assert rich.values != plain.values and asked == [40]
    measured(one, {**small, "extra_trees.features": "bonding"})
    assert asked == [40]  # kept
    fresh = trainer(table, formulas=("formula",), inputs=("formula", "heat"), model="any")
    assert fresh.data.digest == one.data.digest
    assert measured(fresh, {**small, "extra_trees.features": "bonding"}).values == rich.values


def test_baselines_of_earlier_versions_are_known(table: Path) -> None:
    """Their digest was of inputs that always had these features."""
    one = trainer(table, formulas=("formula",), inputs=("formula", "heat"))
    data = one.data
    whole = tabular.columns(data.table.numeric, data.table.categorical, ("formula",))
    folds = (part for fold in data.folds for part in fold)
    before = digest(
        digest(one.model, whole.x, data.table.target, *folds), one.metric, one.objective
    )
    assert before != one.baseline_digest
    assert one.is_baseline(before) and one.is_baseline(one.baseline_digest)
    assert not one.is_baseline("0" * 64)


@pytest.mark.parametrize(
    "options",
    [
        {"model": "mlp", "epochs": 2, "checkpoint_epochs": 1},
        {"fidelity": "rows", "fidelity_steps": (1, 2)},
        {},
    ],
)
def test_a_trial_that_an_earlier_version_began_goes_on(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """All inputs had that block then, and it is in the fingerprint of what was kept."""
    path = tmp_path / "f.csv"
    cells = [f"{a}{k % 3 + 1}O{k % 4 + 1},{k % 7}" for k, a in enumerate(["Li", "Fe", "Mg"] * 8)]
    path.write_text("\n".join(["formula,y", *cells]) + "\n")
    given = {"table": path, "predict": "y", "formulas": ("formula",), "folds": 2, **options}
    one, before = TabularTrainer(**given), TabularTrainer(**given)
    before.adopt(replace(before.data, digest=digest_with_bonding(before)))
    assert before.data.digest != one.data.digest
    *_, unbroken = one.evaluate({}, Context(seed=3))
    store = CheckpointStore(tmp_path / "kept")
    assert isinstance(next(iter(before.evaluate({}, Context(seed=3, checkpoints=store)))), Report)
    first, *_, last = one.evaluate({}, Context(seed=3, checkpoints=store))
    assert isinstance(first, Report) and isinstance(last, Measurement)
    assert isinstance(unbroken, Measurement) and last.values == unbroken.values
    with pytest.raises(RunFailed, match="other data, params or options"):
        list(one.evaluate({}, Context(seed=4, checkpoints=store)))


@pytest.mark.parametrize("formulas", [(), ("formula", "other")])
def test_transfer_without_its_formulas_is_refused_before_the_run(
    table: Path, formulas: tuple[str, ...]
) -> None:
    with pytest.raises(InputError, match=f"one column of formulas, and {len(formulas)} are"):
        trainer(table, model="transfer", formulas=formulas).check(["kind"])
    with pytest.raises(InputError, match="2 are named with that of structures"):
        trainer(table, model="transfer", formulas=("formula",), structures="cif").check(["kind"])
    trainer(table, model="transfer", formulas=("formula",)).check(["kind"])


def test_a_formula_may_be_the_group_too(table: Path) -> None:
    one = trainer(table, formulas=("formula",), group="formula", split="grouped", time="day")
    assert "formula" in one.data.table.categorical
    groups = one.data.groups
    assert groups is not None
    for train, judge in one.data.folds:
        assert not set(groups[train]) & set(groups[judge])


def test_the_model_may_be_a_parameter(table: Path) -> None:
    one = trainer(table, model="any", formulas=("formula",), inputs=("formula", "heat"))
    one.check(["model", "features", "extra_trees.max_features"])
    few: Params = {"model": "extra_trees", "extra_trees.n_estimators": 20}
    assert measured(one, few).values["mae"] < 3.0
    with pytest.raises(ExperimentFailed, match="model"):
        measured(one, {})


def test_two_classes_are_cut_from_a_number(table: Path) -> None:
    kinds: dict[str, Any] = {"task": "classification", "cut": 15.0, "metric": "pr_auc"}
    one = trainer(table, inputs=("heat", "formula"), formulas=("formula",), **kinds)
    data = one.data
    assert data.table.classes == ("<= 15", "> 15") and data.amounts is not None
    assert np.array_equal(data.table.target == 1.0, data.amounts > 15.0)
    cut = trainer(table, model="regress_and_cut", inputs=("heat", "formula"), **kinds)
    assert measured(cut, {}).values["pr_auc"] > 0.5  # it is given the numbers
    for wrong, said in (
        ({"cut": 1e9}, "no row"),
        ({"cut": True}, "finite number"),
        ({"cut": 1.0, "task": "regression", "metric": "mae"}, "classification"),
    ):
        with pytest.raises(InputError, match=said):
            _ = trainer(table, **{**kinds, **wrong}).data


def test_later_rows_judge_along_time(table: Path) -> None:
    one = trainer(table, objective="time", time="day", inputs=("heat",), folds=4)
    times = one.data.table.times
    assert times is not None and len(one.data.folds) == 3
    for train, judge in one.data.folds:
        assert times[train].max() < times[judge].min()
    ahead = trainer(table, objective="time", time="day", inputs=("heat",), folds=4, step=2)
    assert len(ahead.data.folds) == 2
    with pytest.raises(InputError, match="column of times"):
        _ = trainer(table, objective="time", inputs=("heat",)).data


def test_outer_folds_may_be_those_of_others(table: Path) -> None:
    """With a seed of their own they are scikit-learn's: Matbench's, with its seed."""
    wanted = [judge for _, judge in KFold(5, shuffle=True, random_state=18012019).split(range(40))]
    for number, judge in enumerate(wanted):
        given: dict[str, Any] = {"outer_folds": 5, "outer_fold": number, "outer_seed": 18012019}
        inside = trainer(table, inputs=("heat",), **given)
        outside = trainer(table, inputs=("heat",), outer_judge=True, **given)
        assert not set(inside.data.rows) & set(judge)
        assert np.array_equal(outside.data.folds[0][1], judge)
    usual = trainer(table, inputs=("heat",), outer_folds=5, outer_fold=0)
    assert not np.array_equal(np.setdiff1d(np.arange(40), usual.data.rows), wanted[0])


def test_formulas_of_one_composition_are_one_group(table: Path) -> None:
    text = table.read_text(encoding="utf-8").splitlines()
    text[1:21] = [line.replace("Fe2O3", "Fe4O6").replace("NaCl", "ClNa") for line in text[1:21]]
    table.write_text("\n".join(text) + "\n", encoding="utf-8")
    options = {"formulas": ["formula"], "group": "formula", "split": "grouped"}
    data = trainer(table, **options).data
    assert len(set(data.table.groups.tolist())) == len(FORMULAS)  # type: ignore[union-attr]
    fractions = data.columns.x[:, 1:]
    for train, judge in data.folds:
        known = {tuple(row) for row in fractions[train]}
        assert not known & {tuple(row) for row in fractions[judge]}


def test_a_hidden_target_refuses_no_transform(table: Path) -> None:
    _, hidden = trainer(table, outer_folds=4, outer_judge=True).data.folds[0]
    text = table.read_text(encoding="utf-8").splitlines()
    text[1 + hidden[0]] = text[1 + hidden[0]].rpartition(",")[0] + ",-5"
    table.write_text("\n".join(text) + "\n", encoding="utf-8")
    params: Params = {"target_transform": "log1p"}
    outside = trainer(table, inputs=["heat"], outer_folds=4, outer_judge=True)
    assert np.isfinite(measured(outside, params).values["mae"])
    with pytest.raises(ExperimentFailed, match="log1p"):
        measured(trainer(table, inputs=["heat"]), params)


CENSORED = ["10", "20", "5", "90", "100", "30", "7", "95"]


@pytest.mark.parametrize(
    ("cell", "cut", "above"),
    [
        (">80", 80.0, True),
        (">80", 79.0, True),
        (">80", 81.0, None),
        (">=80", 79.0, True),
        ("≥ 80", 80.0, None),
        ("<80", 80.0, False),
        ("<= 80", 80.0, False),
        ("≤80", 81.0, False),
        ("<80", 79.0, None),
        ("<=80", 79.0, None),
    ],
)
def test_a_censored_cell_is_put_on_its_own_side_of_the_cut(
    tmp_path: Path, cell: str, cut: float, above: bool | None
) -> None:
    """`>80` was at or below 80, since its bound is."""
    path = tmp_path / "t.csv"
    rows = [f"{k},{one}" for k, one in enumerate([cell, *CENSORED])]
    path.write_text("\n".join(["a,y", *rows]) + "\n", encoding="utf-8")
    given: dict[str, Any] = {"task": "classification", "split": "stratified", "folds": 2}
    one = TabularTrainer(table=path, predict="y", cut=cut, censored="bound", **given)
    if above is None:
        with pytest.raises(InputError, match=f"line 2: target 'y' is '{cell}', which may be above"):
            _ = one.data
        return
    assert one.data.table.target.astype(bool).tolist() == [
        above,
        *(float(c) > cut for c in CENSORED),
    ]
    read = read_new_rows(path, one, one.data)
    assert read.truth is not None and read.truth.tolist() == one.data.table.target.tolist()
    rows[0] = "0,<79.5" if cut < 79.5 else "0,>1"
    path.write_text("\n".join(["a,y", *rows]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: target 'y' is .* may be above"):
        read_new_rows(path, one, one.data)


def test_a_new_row_may_write_its_class_as_another_spelling_of_the_number(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{k},{k % 2}\n" for k in range(12)))
    one = TabularTrainer(table=path, predict="y", task="classification", split="stratified")
    path.with_name("new.csv").write_text("a,y\n1,1.0\n2,0\n")
    truth = read_new_rows(path.with_name("new.csv"), one, one.data).truth
    assert truth is not None and truth.tolist() == [1.0, 0.0]
