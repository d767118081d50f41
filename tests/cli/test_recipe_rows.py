"""How few rows of a class, or groups, the recipe takes; and what it does with censored targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.recipe_rows import audited, folds_of, visible
from matscout.drive.recipe_plan import Plan, Question, planned
from matscout.errors import InputError

Matscout = Callable[..., Any]


def table(folder: Path, y: Sequence[object], groups: int = 0) -> Question:
    path = folder / "t.csv"
    cells = (
        f"{i % 7 / 3},{i},{value}" + (f",g{i % groups}" if groups else "")
        for i, value in enumerate(y)
    )
    path.write_text("\n".join(["a,b,y" + (",g" if groups else ""), *cells]) + "\n")
    return Question(path, "y", group="g" if groups else "")


def plan_of(question: Question, classes: int = 0) -> Plan:
    return planned(question, audited(question), classes)


@pytest.mark.parametrize(("rare", "folds"), [(4, 2), (6, 4), (12, 5)])
def test_a_rare_class_is_in_every_fold(tmp_path: Path, rare: int, folds: int) -> None:
    """A third of it is hidden."""
    question = replace(table(tmp_path, ["yes"] * rare + ["no"] * 50), outer=3)
    plan = plan_of(question, 2)
    assert plan.options["split"] == "stratified"
    data = visible(question, {**plan.options, "outer_folds": 3, "outer_fold": 0})
    assert folds_of(5, data, "stratified") == folds


def test_groups_are_whole_in_every_fold(tmp_path: Path) -> None:
    question = table(tmp_path, [i / 7 for i in range(40)], groups=4)
    data = visible(question, plan_of(question).options)
    assert folds_of(5, data, "grouped") == 4 and folds_of(3, data, "grouped") == 3


def test_numbers_take_as_many_folds_as_are_wanted(tmp_path: Path) -> None:
    question = table(tmp_path, [i / 7 for i in range(40)])
    assert folds_of(5, visible(question, plan_of(question).options), "kfold") == 5


def test_too_few_of_a_class_are_told_with_a_way_out(tmp_path: Path) -> None:
    question = table(tmp_path, ["yes"] * 2 + ["no"] * 50)
    options = {**plan_of(question, 2).options, "outer_folds": 2, "outer_fold": 0}
    with pytest.raises(InputError) as caught:
        visible(replace(question, outer=2), options)
    said = str(caught.value)
    assert said.startswith(f"{question.table}: too few rows or groups") and "--outer" in said
    assert "the rarest class has 1 row" in said and "\n" not in said


CENSORED = ["<1E-3", *(0.1 + i / 50 for i in range(40))]


def test_bounds_are_taken_where_a_person_says_so(tmp_path: Path) -> None:
    question = replace(table(tmp_path, CENSORED), censored=True)
    plan = plan_of(question)
    assert plan.options["censored"] == "bound" and any("one side" in line for line in plan.why)
    assert visible(question, plan.options).table.target.min() == 1e-3


def test_a_cut_takes_bounds_by_itself(tmp_path: Path) -> None:
    question = replace(table(tmp_path, CENSORED), cut=0.5)
    plan = plan_of(question, 2)
    assert any("side of the cut" in line for line in plan.why)
    assert sum(visible(question, plan.options).table.target == 0) == 22


def test_the_recipe_names_both_ways(home: Path, matscout: Matscout) -> None:
    table(home, CENSORED)
    said = matscout("sweep", "small_table", "--data", "t.csv", "--target", "y")
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert "--censored" in said.err and "--cut" in said.err


def test_units_in_the_target_are_named(home: Path, matscout: Matscout) -> None:
    table(home, [f"{i / 7:.2f} {'MPa' if i % 5 else 'GPa'}" for i in range(40)])
    said = matscout("sweep", "small_table", "--data", "t.csv", "--target", "y")
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert "MPa (32), GPa (8)" in said.err and "in one unit" in said.err
