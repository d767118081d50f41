"""`matscout sweep SPACE --data TABLE`: from a table to a model, an honest score and a card."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli import recipe, recipe_shift
from matscout.errors import InputError

Matscout = Callable[..., Any]
SPACE = """
[parameters.model]
type = "categorical"
choices = ["linear", "svm"]
[parameters."linear.alpha"]
type = "float"
low = 0.01
high = 1000.0
log = true
when = { model = ["linear"] }
"""
WORDS = ["small.toml", "--data", "t.csv", "--target", "y", "--outer", "2", "--trials", "3",
         "--workers", "1", "--fleet", "inline", "--name", "few"]  # fmt: skip


def write(home: Path, classes: bool = False, shuffled: bool = False) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = x @ [3.0, 1.0] + 0.3 * rng.normal(size=60)
    y = rng.permutation(y) if shuffled else y
    cells = [("yes" if v > 0.5 else "no") if classes else repr(float(v)) for v in y]
    rows = [f"sample-{k},{a!r},{b!r},{v}" for k, ((a, b), v) in enumerate(zip(x.tolist(), cells, strict=True))]  # fmt: skip
    (home / "t.csv").write_text("\n".join(["name,a,b,y", *rows]) + "\n")
    (home / "small.toml").write_text(SPACE)


def found(matscout: Matscout, *more: str) -> dict[str, Any]:
    said = matscout("sweep", *WORDS, *more, "--json")
    assert said.code == 0, said.err
    whole: dict[str, Any] = json.loads(said.out)
    return whole


def without_times(whole: dict[str, Any]) -> dict[str, Any]:
    folds = [{k: v for k, v in fold.items() if k != "seconds"} for fold in whole["folds"]]
    return {**{k: v for k, v in whole.items() if k != "seconds"}, "folds": folds}


def test_from_a_table_to_a_card_and_again(home: Path, matscout: Matscout) -> None:
    write(home)
    whole = found(matscout)
    assert whole["metric"] == "mae" and whole["task"] == "regression"
    assert whole["better_by"]["dummy"]["mean"] > 1
    assert any("left out of the inputs: name" in line for line in whole["decisions"])
    folder = home / "results" / "runs" / "few"
    members = json.loads((folder / "members.json").read_text())
    assert members["trainer"]["inputs"] == ["a", "b"] and members["threshold"] is None
    assert [m["params"] for m in members["members"]] == [m["params"] for m in whole["members"]]
    text = (folder / "card.md").read_text()
    for heading in ("How good is it?", "Where does it fail?", "Does it carry over?"):
        assert f"## {heading}" in text
    assert "## What is it not for?" in text and "Cluster by cluster, the worst first" in text
    ratio = whole["shift"]["ratio"]
    assert ratio["low"] <= ratio["pdr"] <= ratio["high"]
    assert sum(one["rows"] for one in whole["shift"]["clusters"]) == 60
    page = (folder / "card.html").read_text()
    HTMLParser().feed(page)
    assert "<script" not in page and "http://" not in page and "https://" not in page

    before = {path: path.stat().st_mtime_ns for path in folder.parent.glob("*/work/*/*.csv")}
    assert len(before) >= 3
    assert without_times(found(matscout)) == without_times(whole)
    after = {path: path.stat().st_mtime_ns for path in folder.parent.glob("*/work/*/*.csv")}
    assert after == before

    (folder.parent / "few-outer-2" / "outer.json").unlink()
    (folder / "card.md").unlink()
    assert without_times(found(matscout)) == without_times(whole)
    assert (folder / "card.md").is_file()


def test_a_trial_whose_predictions_are_damaged_is_no_member(home: Path, matscout: Matscout) -> None:
    write(home)
    found(matscout)
    runs = home / "results" / "runs"
    (runs / "few" / "members.json").unlink()
    (runs / "few-outer-1" / "outer.json").write_text("[" * 100_000)
    for run in ("few", "few-outer-1"):
        (runs / run / "work" / "trial-000000-01" / "predictions.csv").write_bytes(b"")
    (runs / "few" / "card.md").unlink()
    found(matscout)
    outer = json.loads((runs / "few-outer-1" / "outer.json").read_text())
    for said in (outer, json.loads((runs / "few" / "members.json").read_text())):
        assert said["members"] and all(member["trial"] != 0 for member in said["members"])
    without = "without trial 0 (its predictions.csv is missing or damaged)"
    assert without in outer["why"] and without in (runs / "few" / "card.md").read_text()


def test_classes_are_cut_where_out_of_fold_scores_say(home: Path, matscout: Matscout) -> None:
    write(home, classes=True)
    whole = found(matscout, "--trials", "2")
    assert whole["metric"] == "balanced_accuracy" and 0 < whole["threshold"] < 1
    assert whole["outer"]["mean"] > 0.7 > whole["rivals"]["dummy"]["mean"] == 0.5
    assert whole["coverage"] == [] and whole["shift"] is None
    card = (home / "results" / "runs" / "few" / "card.md").read_text()
    assert "carry over" not in card


def test_nobody_waits_for_clusters_when_the_minutes_are_over(
    home: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_shift, "_ALWAYS_S", 0.0)
    monkeypatch.setattr(recipe.Budget, "seconds_in_all", lambda budget: 1e6)
    write(home)
    assert found(matscout, "--trials", "1")["shift"] is None
    card = (home / "results" / "runs" / "few" / "card.md").read_text()
    assert "the minutes are over; give it more" in card


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            InputError("split", "kmeans puts 3 of 60 rows into 1 clusters"),
            "Not known: kmeans puts 3",
        ),
        (ZeroDivisionError("no such thing"), "Not known: a member could not be trained so"),
    ],
)
def test_a_card_is_written_though_no_cluster_can_be_left_out(
    home: Path,
    matscout: Matscout,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    said: str,
) -> None:
    def breaks(*_: object) -> object:
        raise error

    monkeypatch.setattr(recipe_shift, "shift_of", breaks)
    write(home)
    assert found(matscout, "--trials", "1")["shift"] is None
    assert said in (home / "results" / "runs" / "few" / "card.md").read_text()


@pytest.mark.slow
def test_shuffled_targets_are_no_better_than_a_dummy(home: Path, matscout: Matscout) -> None:
    write(home, shuffled=True)
    assert found(matscout)["better_by"]["dummy"]["low"] < 0


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["small.toml", "--data", "t.csv"], "--target"),
        (["small.toml", "--target", "y"], "--data"),
        (["none_such", "--data", "t.csv", "--target", "y"], "none_such"),
        (["t.csv", "--data", "t.csv", "--target", "y"], "t.csv: is a table, and TOML is wanted"),
        (["small.toml", "--data", "..", "--target", "y"], "(Is a directory); check the path"),
        (["small.toml", "--data", "t.csv", "--target", "z"], "z"),
        (["small.toml", "--data", "t.csv", "--target", "y", "--split", "grouped"], "--group"),
        (["small.toml", "--data", "t.csv", "--target", "y", "--metric", "mcc"], "mcc"),
        (["small.toml", "--data", "t.csv", "--target", "y", "--task", "regresion"], "--task"),
        (["small.toml", "--data", "t.csv", "--target", "y", "--formula", "no"], "no"),
    ],
)
def test_a_mistake_is_one_line(home: Path, matscout: Matscout, words: list[str], what: str) -> None:
    write(home)
    said = matscout("sweep", *words)
    assert said.code == 2 and what in said.err and len(said.err.strip().splitlines()) == 1


def test_a_blocked_table_is_refused_in_one_line(home: Path, matscout: Matscout) -> None:
    write(home)
    text = (home / "t.csv").read_text().splitlines()
    text[3] = text[3].rpartition(",")[0] + ","
    (home / "t.csv").write_text("\n".join(text) + "\n")
    said = matscout("sweep", *WORDS)
    assert said.code == 2 and "t.csv" in said.err and len(said.err.strip().splitlines()) == 1


def test_a_name_stands_for_one_table_and_one_question(home: Path, matscout: Matscout) -> None:
    write(home, classes=True)
    found(matscout, "--trials", "1")
    said = matscout("sweep", *WORDS, "--metric", "mcc")
    assert said.code == 2 and "--name" in said.err, said.out
    text = (home / "t.csv").read_text()
    (home / "t.csv").write_text(text.replace("sample-0,", "sample-0,1"))
    said = matscout("sweep", *WORDS)
    assert said.code == 2 and "--name" in said.err, said.out
