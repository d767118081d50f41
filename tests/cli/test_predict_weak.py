"""`matscout predict RUN --weak`: rows whose prediction a small change of the inputs overturns."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.evaluate import baselines

Matscout = Callable[..., Any]
CONFIG = """
name = "one"
seed = 3
[evaluator]
type = "tabular"
table = "t.csv"
predict = "%(predict)s"
inputs = ["a", "b", "word"]
folds = 3
%(more)s
[run]
fleet = "inline"
"""
TREES = 'model = "extra_trees"\nhyperparameters = { n_estimators = 20, min_samples_leaf = 3 }'


@pytest.fixture(autouse=True)
def dummy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_estimators", lambda *_: iter(()))


def write(home: Path, more: str = TREES, predict: str = "y") -> None:
    """A cliff of ten at a = 0; one row in thirty, far from it, is called by the wrong name."""
    a = np.linspace(-2, 2, 60)
    b = np.random.default_rng(0).normal(size=60)
    lines = [
        f"{p:.4f},{q:.4f},{'uv'[k % 2]},{10.0 * (p > 0):.1f},{'high' if (p > 0) != (k % 50 == 4) else 'low'}"
        for k, (p, q) in enumerate(zip(a, b, strict=True))
    ]
    (home / "t.csv").write_text("\n".join(["a,b,word,y,kind", *lines]) + "\n")
    (home / "one.toml").write_text(CONFIG % {"more": more, "predict": predict})


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_rows_at_a_cliff_come_first(home: Path, matscout: Matscout) -> None:
    write(home)
    assert matscout("train", "one.toml").code == 0
    said = matscout("predict", "one", "--weak", "-o", "weak.csv")
    assert said.code == 0, said.err
    rows = read(home / "weak.csv")
    assert len(rows) == 60 and {float(row["line of t.csv"]) for row in rows} == set(range(2, 62))
    assert all(abs(float(row["a"])) < 0.6 for row in rows[:5])
    scores = [float(row["weakness"]) for row in rows]
    assert scores == sorted(scores, reverse=True) and scores[0] > 1 > np.median(scores)
    assert f"at line {rows[0]['line of t.csv']}" in said.out and "by trial 0" in said.out
    words = ("predict", "one", "--weak", "--input-error", "0.3", "-o", "more.csv", "--json")
    found = json.loads(matscout(*words).out)
    assert found["rows"] == 60 and np.median(found["scores"]) > np.median(scores)
    assert found["weakest"].startswith("line ") and found["wrong"] == 0


def test_labels_are_overturned_and_wrong_ones_left_out(home: Path, matscout: Matscout) -> None:
    write(home, f'{TREES}\ntask = "classification"\nsplit = "stratified"', "kind")
    assert matscout("train", "one.toml").code == 0
    said = matscout("predict", "one", "--weak", "-o", "weak.csv", "--json")
    found, rows = json.loads(said.out), read(home / "weak.csv")
    assert 2 <= found["wrong"] <= 4 and len(rows) == 60 - found["wrong"]
    assert not {"6", "56"} & {row["line of t.csv"] for row in rows}
    assert float(rows[0]["overturned"]) > 0.2 > float(rows[-1]["overturned"])
    assert (
        f"left out: {found['wrong']} that are"
        in matscout("predict", "one", "--weak", "-o", "w.csv").out
    )


def test_sealed_rows_stay_sealed(home: Path, matscout: Matscout) -> None:
    write(home, f"{TREES}\nsealed = 0.2")
    assert matscout("train", "one.toml").code == 0
    found = json.loads(matscout("predict", "one", "--weak", "--json").out)
    assert found["rows"] == 48 == len(read(home / "predictions.csv"))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("t.csv",), "--weak: goes with the run's own rows, not with a file of new rows"),
        (("--final",), "--weak: goes with the run's own rows, not with --final"),
        (("--input-error", "0"), "--input-error: must be above 0, got 0"),
        (("--input-error", "nan"), "--input-error: must be above 0, got nan"),
        (("-o", "t.csv"), "t.csv: exists already"),
    ],
)
def test_mistakes_are_one_line(
    home: Path, matscout: Matscout, words: tuple[str, ...], what: str
) -> None:
    write(home)
    assert matscout("train", "one.toml").code == 0
    said = matscout("predict", "one", "--weak", *words)
    assert said.code == 2 and what in said.err and len(said.err.strip().splitlines()) == 1
    assert not (home / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("more", "inputs", "what"),
    [
        ('model = "mlp"\nepochs = 1', '["a"]', "--weak: is not for networks (mlp)"),
        (TREES, '["word"]', "--weak: the inputs have no column of numbers"),
    ],
)
def test_what_cannot_be_moved(
    home: Path, matscout: Matscout, more: str, inputs: str, what: str
) -> None:
    write(home, more)
    path = home / "one.toml"
    path.write_text(path.read_text().replace('["a", "b", "word"]', inputs))
    assert matscout("train", "one.toml").code == 0
    said = matscout("predict", "one", "--weak")
    assert said.code == 2 and what in said.err and len(said.err.strip().splitlines()) == 1
