"""`matscout learning-curve`, from the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli.learning_curve import verdict
from matscout.drive.learning_curve import Curve, CurvePoint
from matscout.drive.nested import Estimate
from matscout.models.metrics import METRICS

Matscout = Callable[..., Any]
CONFIG = """
name = "one"
seed = 3
[[targets]]
name = "mae"
direction = "min"
unit = "MPa"
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
folds = 3
%(more)s
[run]
fleet = "inline"
"""


def write(home: Path, more: str = 'model = "linear"', rows: int = 90, noise: float = 0.0) -> None:
    """A plane over twelve inputs: ten rows do not show it, thirty do. Pure noise for `noise` = 1."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 12))
    y = (1 - noise) * x.sum(axis=1) + noise * rng.normal(size=rows)
    lines = [",".join(f"{v:.6f}" for v in (*row, value)) for row, value in zip(x, y, strict=True)]
    header = ",".join([*(f"x{k}" for k in range(12)), "y"])
    (home / "t.csv").write_text("\n".join([header, *lines]) + "\n")
    (home / "one.toml").write_text(CONFIG % {"more": more})


def test_a_curve_that_still_falls(home: Path, matscout: Matscout) -> None:
    write(home)
    said = matscout("learning-curve", "one.toml", "--points", "3", "--draws", "2", "-o", "c.csv")
    assert said.code == 0, said.err
    head, columns, *rows, last = said.out.splitlines()
    assert head.startswith(
        "t.csv: mae in MPa of linear (lower is better), over 3 folds with 2 draws"
    )
    assert columns.split() == ["rows", "mae", "[95", "%]", "dummy", "[95", "%]"]
    assert [row.split()[0] for row in rows] == ["10", "24", "60"]
    assert last.startswith("more rows would pay: from 24 to 60 rows mae got better by ")
    assert "MPa; 2.5 times as many again" in last
    assert not (home / "results").exists()
    with open(home / "c.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["rows_most"] for row in table] == ["10", "24", "60"]
    assert float(table[-1]["mae"]) < float(table[-1]["mae_high"]) < float(table[0]["mae"])
    again = matscout("learning-curve", "one.toml", "-o", "c.csv")
    assert again.code == 2 and "exists already" in again.err


def test_with_all_rows_it_says_what_train_says(home: Path, matscout: Matscout) -> None:
    write(home, 'model = "extra_trees"\nhyperparameters = { n_estimators = 4 }')
    words = ("--points", "2", "--draws", "1", "--json")
    found = json.loads(matscout("learning-curve", "one.toml", *words).out)
    trained = json.loads(matscout("train", "one.toml", "--json").out)
    assert found["points"][-1]["model"]["mean"] == pytest.approx(trained["best"]["values"]["mae"])
    assert len(found["fits"]) == 2 * 3 and found["direction"] == "min"
    assert found == json.loads(matscout("learning-curve", "one.toml", *words).out)


def test_where_there_is_nothing_to_learn(home: Path, matscout: Matscout) -> None:
    write(home, noise=1.0)
    said = matscout("learning-curve", "one.toml", "--points", "2")
    assert said.code == 0 and "beware: with all rows it does not beat the dummy" in said.out


def test_what_a_curve_says() -> None:
    points = (CurvePoint(10, 10, 5, *[Estimate(3, 2, 4)] * 2),) * 2
    mae = METRICS["mae"]

    def say(mean: float, half: float) -> str:
        gain = Estimate(mean, mean - half, mean + half)
        return verdict(Curve(points, gain, gain), mae)

    assert say(0.5, 0.1).startswith("more rows would pay")
    assert say(-0.5, 0.1).startswith("more rows would not pay")
    assert say(0.5, 0.6).startswith("more rows are not sure to pay")
    assert "one fold has no interval" in say(0.5, float("inf"))
    assert "is no number" in say(float("nan"), 0.1)


def test_a_holdout_has_no_interval(home: Path, matscout: Matscout) -> None:
    write(home, 'model = "linear"\nsplit = "holdout"')
    said = matscout("learning-curve", "one.toml", "--points", "2", "--draws", "1", "--json")
    found = json.loads(said.out)
    assert found["gain"]["low"] is None and "one fold" in found["verdict"]


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (('type = "tabular"', 'type = "crystal_graph"'), "evaluator.type: 'crystal_graph' is not"),
        (('type = "tabular"', 'type = "function"'), "evaluator.type: is none that trains"),
        (('predict = "y"', 'predict = "z"'), "t.csv"),
        (("folds = 3", "folds = 3\nouter_fold = 9\nouter_folds = 3"), "outer_fold"),
        (('model = "linear"', 'model = "linear"\nhyperparameters = { alpa = 1 }'), "'alpha'"),
        (('model = "linear"', 'model = "linear"\nobjective = "robert"'), "use cv, or split"),
    ],
)
def test_mistakes_are_one_line(
    edit: tuple[str, str], what: str, home: Path, matscout: Matscout
) -> None:
    write(home)
    path = home / "one.toml"
    path.write_text(path.read_text().replace(*edit))
    said = matscout("learning-curve", "one.toml")
    assert said.code == 2 and said.err.startswith("matscout: one.toml: ") and what in said.err
    assert len(said.err.strip().splitlines()) == 1 and not said.out


def test_too_few_rows_are_one_line(home: Path, matscout: Matscout) -> None:
    write(home, rows=14)
    said = matscout("learning-curve", "one.toml", "-o", "c.csv")
    assert said.code == 2 and len(said.err.strip().splitlines()) == 1
    assert "a curve from 10 rows on needs more than the 9 that a fold trains on" in said.err
    assert not (home / "c.csv").exists()
