"""A sweep of the tabular trainer from the command line: baselines shown, mistakes in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Matscout = Callable[..., Any]
CONFIG = """
name = "small"
seed = 1
[space.parameters]
n_estimators = { type = "int", low = 2, high = 6 }
[[targets]]
name = "%(target)s"
direction = "%(direction)s"
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
%(more)s
[proposer]
type = "random"
[run]
trials = 2
workers = 1
fleet = "inline"
"""


def write(home: Path, target: str = "mae", direction: str = "min", more: str = "") -> None:
    rng = np.random.default_rng(0)
    rows = [f"{a},{b},{3 * a + b}" for a, b in rng.normal(size=(30, 2))]
    (home / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    said = CONFIG % {"target": target, "direction": direction, "more": more}
    (home / "small.toml").write_text(said)


def test_a_sweep_shows_what_untuned_models_score(home: Path, matscout: Matscout) -> None:
    write(home, more='objective = "cv"\nrepeats = 2')
    said = matscout("sweep", "small.toml")
    assert said.code == 0, said.err
    assert "against dummy" in said.out and "against random forest" in said.out
    assert "beware: the best trial does not beat the untuned linear" in said.out
    kept = (home / "results/runs/small/baselines.json").read_bytes()
    status = json.loads(matscout("status", "small", "--json").out)
    assert [one["name"] for one in status["baselines"]] == ["dummy", "linear", "random forest"]
    assert matscout("report", "small").code == 0
    page = (home / "results/runs/small/report.html").read_text()
    assert "Untuned models on the same folds" in page and "does not beat" in page
    (home / "t.csv").unlink()
    assert "against linear" in matscout("status", "small").out
    assert (home / "results/runs/small/baselines.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"target": "rmse"}, "targets.rmse: this trainer does not report it; known here: gap_to"),
        ({"direction": "max"}, "targets.mae: direction is 'max', but lower is better"),
        ({"more": 'objective = "robrt"'}, "no objective is 'robrt'; did you mean 'robert'?"),
        ({"more": 'objective = "loco"\nfolds = 12'}, "do not make 12 clusters"),
        ({"more": 'objective = "robert"\nmetric = "r2"'}, "made of errors, not of 'r2'"),
    ],
)
def test_mistakes_start_nothing(
    options: dict[str, str], what: str, home: Path, matscout: Matscout
) -> None:
    write(home, **options)
    said = matscout("sweep", "small.toml")
    assert said.code == 2 and what in said.err and len(said.err.strip().splitlines()) == 1
    assert not (home / "results").exists()


def test_a_sweep_by_what_the_first_few_are_worth(home: Path, matscout: Matscout) -> None:
    more = 'task = "classification"\nmetric = "precision_at_%s"\nsplit = "stratified"\ncut = 0.5'
    write(home, "precision_at_4", "max", more % 4 + '\nalso = ["discovery_yield_at_2"]')
    said = matscout("sweep", "small.toml", "--json")
    assert said.code == 0, said.err
    assert 0 <= json.loads(said.out)["best"]["values"]["precision_at_4"] <= 1
    assert matscout("export", "small", "-o", "trials.csv").code == 0
    assert "discovery_yield_at_2" in (home / "trials.csv").read_text().splitlines()[0].split(",")
    write(home, "precision_at_7", "max", more % 7)
    said = matscout("sweep", "small.toml", "--name", "more")
    assert said.code == 2 and "looks at 7 rows, and fold 0 judges 6" in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_nested_goes_on_and_prints_the_honest_score(home: Path, matscout: Matscout) -> None:
    write(home)
    said = matscout("nested", "small.toml", "--outer", "2", "--json")
    assert said.code == 0, said.err
    whole = json.loads(said.out)
    assert [fold["run"] for fold in whole["folds"]] == ["small-outer-1", "small-outer-2"]
    assert whole["outer"]["low"] <= whole["outer"]["mean"] <= whole["outer"]["high"]
    assert json.loads(matscout("status", "small-outer-2", "--json").out)["states"] == {
        "complete": 2
    }
    again = matscout("nested", "small.toml", "--outer", "2")
    assert again.code == 0 and "what to expect of new rows" in again.out
    assert json.loads(matscout("nested", "small.toml", "--outer", "2", "--json").out) == whole
    other = matscout("nested", "small.toml", "--outer", "3")
    assert other.code == 2 and "other outer folds" in other.err


def test_nested_does_not_go_on_with_another_table(home: Path, matscout: Matscout) -> None:
    """Its folds would be drawn from other rows than those that the finished sweeps saw."""
    write(home)
    assert matscout("nested", "small.toml", "--outer", "2").code == 0
    table = next(home.glob("*.csv"))
    text = table.read_text()
    lines = text.splitlines()
    table.write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    said = matscout("nested", "small.toml", "--outer", "2")
    assert said.code == 2 and "has changed since run 'small-outer-1' learned from it" in said.err
    assert str(table.name) in said.err and len(said.err.strip().splitlines()) == 1
    table.write_text(text)
    assert matscout("nested", "small.toml", "--outer", "2").code == 0


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (('type = "tabular"', 'type = "function"'), "cannot hide rows from a sweep; able: tabular"),
        (('predict = "y"', 'predict = "y"\nouter_folds = 3'), "is set by matscout nested"),
        (('name = "small"', 'name = "Small One"'), "may have only a-z"),
        (
            ("[[targets]]", '[prior]\nruns = ["there"]\n[[targets]]'),
            "prior.runs: earlier runs have seen the rows that an outer fold hides",
        ),
    ],
)
def test_nested_mistakes_start_nothing(
    edit: tuple[str, str], what: str, home: Path, matscout: Matscout
) -> None:
    write(home)
    path = home / "small.toml"
    path.write_text(path.read_text().replace(*edit))
    said = matscout("nested", "small.toml", "--outer", "2")
    assert said.code == 2 and what in said.err and len(said.err.strip().splitlines()) == 1
    assert not (home / "results").exists()
