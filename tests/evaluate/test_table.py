"""Recorded experiments: every replicate has its turn, and nothing is made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matscout.errors import ExperimentFailed, InputError
from matscout.evaluate.base import Context
from matscout.evaluate.table import TableEvaluator
from matscout.parameter import Categorical, Float
from matscout.space import Space
from matscout.trial import Measurement

TABLE = """sample,angle,ink,dry,toughness,mass
a,0.3,red,true,1.0,10
a,0.30,red,True,2.0,11
b,30,blue,false,4.0,
c,1e2,red,false,,12
a,0.3,red,TRUE,6.0,12
"""
A = {"angle": 0.1 + 0.2, "ink": "red", "dry": True}
B = {"angle": 30, "ink": "blue", "dry": False}
C = {"angle": 100.0, "ink": "red", "dry": False}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "barrels.csv"
    path.write_text(TABLE)
    return path


def say(evaluator: TableEvaluator, params: dict[str, Any], **context: Any) -> Measurement:
    (measurement,) = evaluator.evaluate(params, Context(**context))
    return measurement


def test_replicates_are_drawn_by_the_seed_of_the_trial(path: Path) -> None:
    evaluator = TableEvaluator(path, ["toughness"], id="sample", inputs=["angle", "ink", "dry"])
    drawn = [say(evaluator, A, seed=seed) for seed in range(300)]
    counts = {
        value: sum(m.values["toughness"] == value for m in drawn) for value in (1.0, 2.0, 6.0)
    }
    assert sum(counts.values()) == 300
    assert min(counts.values()) > 60
    assert drawn == [say(evaluator, A, seed=seed, attempt=2) for seed in range(300)]
    sources = {m.values["toughness"]: m.source for m in drawn}
    assert sources == {1.0: "barrels.csv:2", 2.0: "barrels.csv:3", 6.0: "barrels.csv:6"}


def test_their_mean_comes_with_its_standard_error(path: Path) -> None:
    evaluator = TableEvaluator(
        path, ["toughness", "mass"], ["angle", "ink", "dry"], replicates="mean"
    )
    measurement = say(evaluator, A)
    assert measurement.values == {"toughness": 3.0, "mass": 11.0}
    # sd of (1, 2, 6) is sqrt(7); of (10, 11, 12) it is 1.
    assert measurement.sem == pytest.approx({"toughness": (7 / 3) ** 0.5, "mass": (1 / 3) ** 0.5})
    assert measurement.source == "barrels.csv:2,3,6"
    single = TableEvaluator(path, ["toughness"], ["angle", "ink", "dry"], replicates="mean")
    assert (say(single, B).values, say(single, B).sem) == ({"toughness": 4.0}, {})


def test_a_candidate_is_found_by_its_id(path: Path) -> None:
    evaluator = TableEvaluator(path, ["toughness"], id="sample")
    assert say(evaluator, {}, candidate="b").values == {"toughness": 4.0}
    with pytest.raises(ExperimentFailed, match=r"barrels\.csv has no row for sample=z"):
        say(evaluator, {}, candidate="z")


@pytest.mark.parametrize("replicates", ["draw", "mean"])
def test_what_was_not_recorded_is_a_failed_experiment(path: Path, replicates: Any) -> None:
    names = ["angle", "ink", "dry"]
    evaluator = TableEvaluator(path, ["toughness"], names, replicates=replicates)
    with pytest.raises(ExperimentFailed, match=r"no row for angle=1\.0, ink=red, dry=True"):
        say(evaluator, {**A, "angle": 1.0})
    with pytest.raises(ExperimentFailed, match="records no toughness there"):
        say(evaluator, C)


def test_inputs_are_the_other_columns_unless_told(path: Path) -> None:
    evaluator = TableEvaluator(path, ["toughness"], id="sample")
    assert say(evaluator, {**A, "mass": 11}).values == {"toughness": 2.0}
    with pytest.raises(InputError, match="column 'mass': the space has no parameter of this name"):
        say(evaluator, A)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"targets": []}, "evaluator.targets: names no column"),
        ({"targets": ["toughnes"]}, "did you mean 'toughness'?"),
        ({"targets": ["mass"], "inputs": ["angel"]}, "did you mean 'angle'?"),
        ({"targets": ["mass"], "inputs": ["angle", "mass"]}, "'mass' is both input and target"),
        ({"targets": ["mass"], "inputs": []}, "there are none"),
        ({"targets": ["mass"], "id": "name"}, "no column 'name'"),
        ({"targets": ["mass"], "replicates": "median"}, "unknown 'median'"),
        ({"targets": ["ink"]}, "line 2: ink: 'red' is no number"),
    ],
)
def test_options_that_do_not_fit_the_table(path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        TableEvaluator(path, **options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "no such file"), ("", "an empty table"), ("a,b\n1\n", "line 2"), ("a,a\n1,2\n", "two")],
)
def test_files_that_are_no_table(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "t.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as caught:
        TableEvaluator(path, ["b"])
    assert said in str(caught.value)


def test_a_real_table_has_all_its_replicates(shared_data: Path) -> None:
    """Crossed barrel: 600 designs, three printed and crushed of each (Gongora 2020)."""
    names = ["n", "theta", "r", "t"]
    evaluator = TableEvaluator(shared_data / "pv_lab" / "crossed_barrel.csv", ["toughness"], names)
    assert len(evaluator._rows) == 600
    assert {len(rows) for rows in evaluator._rows.values()} == {3}


def test_decimal_commas_are_refused_where_the_space_has_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('x,y\n"0,5",1\n"1,5",2\n')
    words, numbers = Categorical("x", ("0,5", "1,5")), Float("x", 0.0, 2.0)
    evaluator = TableEvaluator(path, ["y"])
    evaluator.check_space(Space((words,)))
    assert say(evaluator, {"x": "0,5"}).values == {"y": 1.0}
    with pytest.raises(InputError, match=r"line 2: column 'x' has '0,5': a decimal comma"):
        evaluator.check_space(Space((numbers,)))


def test_values_without_a_square_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,1\n2,1e308\n")
    with pytest.raises(InputError, match=r"line 3: target 'y' is '1e308', which has no square"):
        TableEvaluator(path, ["y"])
