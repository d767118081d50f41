"""The portfolio lies in the space of every kind of table, and what does not fit is left out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matscout.data.audit import audit
from matscout.data.split_names import EQUAL_INPUTS
from matscout.drive.recipe_fold import Outside
from matscout.drive.recipe_plan import Plan, Question, inner_folds, planned, space_for
from matscout.drive.recipe_portfolio import affordable, portfolio
from matscout.drive.recipe_result import honest
from matscout.models.metrics import metric
from matscout.space import Space

SMALL = Space.from_toml(
    (Path(__file__).parents[2] / "search_spaces" / "small_table.toml").read_text()
)


def plan(task: str, formulas: bool = True) -> Plan:
    name = "mae" if task == "regression" else "balanced_accuracy"
    ranked = metric("mae" if task == "regression" else "roc_auc", task)
    options = {"formulas": ["f"]} if formulas else {}
    return Plan(
        Question(Path("t.csv"), "y"), task, metric(name, task), ranked, options, 9, 2, ()  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("formulas", [True, False])
@pytest.mark.parametrize("rows", [60, 3000])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_the_portfolio_lies_in_the_space(task: str, rows: int, formulas: bool) -> None:
    y = np.arange(rows, dtype=float) if task == "regression" else np.arange(rows) % 2.0
    space = space_for(plan(task, formulas), SMALL, y)
    points = portfolio(space, task)
    assert len(points) >= 8 and points[0]["model"] == "extra_trees"
    assert [space.check(point) for point in points] == points
    assert len({space.key(point) for point in points}) == len(points)


def test_roots_need_no_sign_and_hurdles_something_to_jump_over() -> None:
    rng = np.random.default_rng(0)
    models = {}
    for name, y in {
        "signed": rng.normal(size=90),
        "zeros": np.maximum(rng.normal(size=90), 0),
    }.items():
        space = space_for(plan("regression"), SMALL, y)
        models[name] = {p["model"] for p in portfolio(space, "regression")}
        unsigned = "sqrt" in space.by_name["target_transform"].choices  # type: ignore[union-attr]
        assert unsigned == (name == "zeros")
    assert "hurdle" in models["zeros"] and "hurdle" not in models["signed"]


def test_a_hurdle_is_asked_second_and_every_stage_has_its_own_trees() -> None:
    space = space_for(plan("regression"), SMALL, np.maximum(np.linspace(-1, 1, 3000), 0))
    first, second, *_ = portfolio(space, "regression")
    assert (first["model"], second["model"], second["features"]) == (
        "extra_trees", "hurdle", "bonding",
    )  # fmt: skip
    assert (
        second["hurdle.classifier.n_estimators"] == second["hurdle.regressor.n_estimators"] == 400
    )
    # Without formulas there is nothing to choose features from, and the rest stands.
    alone = portfolio(space_for(plan("regression", False), SMALL, np.zeros(3000)), "regression")[1]
    assert alone == {name: value for name, value in second.items() if name != "features"}


def test_what_does_not_fit_is_left_out_but_for_the_first_two() -> None:
    space = space_for(plan("regression"), SMALL, np.arange(60.0))
    points = portfolio(space, "regression")
    costs = {space.key(point): 10.0 + place for place, point in enumerate(points[:-1])}
    taken, left = affordable(points, costs, space, 14.0)
    assert taken == [*points[:5], points[-1]] and left == points[5:-1]
    assert affordable(points, costs, space, 1.0)[0] == [*points[:2], points[-1]]
    assert affordable(points, {}, space, 1.0) == (points, [])


def test_folds_are_a_function_of_the_rows() -> None:
    assert [inner_folds(n) for n in (250, 500, 1500, 5000)] == [(5, 3), (5, 2), (5, 1), (3, 1)]


def test_a_space_may_name_what_is_added() -> None:
    text = '[parameters.model]\ntype = "categorical"\nchoices = ["linear"]\n'
    text += '[parameters.target_transform]\ntype = "categorical"\nchoices = ["none", "log1p"]\n'
    space = space_for(plan("regression"), Space.from_toml(text), np.arange(60.0))
    assert space.by_name["target_transform"].choices == ("none", "log1p", "sqrt")  # type: ignore[union-attr]


@pytest.mark.parametrize("classes", [0, 2])
def test_rows_of_equal_inputs_are_grouped_unless_the_split_is_said(
    tmp_path: Path, classes: int
) -> None:
    rows = [f"{k},{k * k % 7},{k % (classes or 5)}" for k in range(30)]
    path = tmp_path / "t.csv"
    plain, grouped = ("stratified", "stratified_grouped") if classes else ("kfold", "grouped")

    def made(lines: list[str], split: str = "") -> Plan:
        path.write_text("\n".join(["a,b,y", *lines]) + "\n")
        return planned(Question(path, "y", split=split), audit(path, target="y"), classes)

    alone, copied = made(rows), made(rows * 2)
    assert alone.options["split"] == plain and "group" not in alone.options
    assert (copied.options["split"], copied.options["group"]) == (grouped, EQUAL_INPUTS)
    assert any("equal inputs" in line for line in copied.why)
    torn = made(rows * 2, plain)
    assert torn.options["split"] == plain and "group" not in torn.options
    assert any(line.startswith("beware") for line in torn.why)
    assert not any("beware" in line for one in (alone, copied) for line in one.why)


def test_an_interval_that_has_no_end_covers_nothing() -> None:
    one = Outside(
        "r",
        (),
        None,
        1.0,
        "",
        {"recipe": 1.0},
        (0, 1),
        (0.0, 1.0),
        (0.0, 3.0),
        2.0,
        1.0,
        1,
        9,
        0.0,
        {},
    )
    made = honest([one, replace(one, half=math.inf)], metric("mae", "regression"))
    assert [(c.level, c.share) for c in made.covers] == [(0.9, 0.5)]
