"""Groups of rows with equal inputs."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.data.equal_inputs import equal_inputs
from matscout.data.split_names import EQUAL_INPUTS
from matscout.data.tables import Table
from matscout.evaluate.trainer_tabular import TabularTrainer

CELLS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.5, float("nan")]), st.sampled_from(["a", "b", ""])),
    max_size=12,
)


def made(rows: list[tuple[float, str]]) -> Table:
    numbers = np.array([n for n, _ in rows])
    words = np.array([w for _, w in rows], dtype=object)
    return Table("t", "y", np.arange(float(len(rows))), {"n": numbers}, {"w": words})


@given(CELLS)
def test_two_rows_are_one_group_where_all_inputs_are_equal(rows: list[tuple[float, str]]) -> None:
    groups = equal_inputs(made(rows))
    for (i, one), (j, other) in itertools.combinations(enumerate(map(repr, rows)), 2):
        assert (groups[i] == groups[j]) == (one == other)


def test_of_formulas_the_composition_counts() -> None:
    table = made([(1.0, "Fe2O3"), (1.0, "Fe4O6"), (2.0, "Fe2O3")])
    assert equal_inputs(table, ("w",)).tolist() == ["0", "0", "2"]
    assert equal_inputs(table).tolist() == ["0", "1", "2"]


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_no_fold_has_copies_on_both_sides(tmp_path: Path, task: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 12, size=60)
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{a},{k % 2}\n" for k, a in enumerate(x)))
    split = "grouped" if task == "regression" else "stratified_grouped"
    trainer = TabularTrainer(
        table=path, predict="y", model="linear", task=task, objective="cv", split=split, folds=3, repeats=1,
        group=EQUAL_INPUTS, metric="mae" if task == "regression" else "roc_auc",
    )  # fmt: skip
    assert len(trainer.data.folds) == 3
    for train, judge in trainer.data.folds:
        assert not set(x[train]) & set(x[judge])
