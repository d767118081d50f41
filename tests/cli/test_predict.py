"""`matscout predict` and `matscout train`, from the command line."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from matscout.data.prototypes import substituted
from matscout.data.structures import StructureSet, save_structures
from matscout.evaluate import baselines
from matscout.evaluate.trainer_tabular import TabularTrainer

Matscout = Callable[..., Any]
TRAIN = """
name = "one"
seed = 3
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
folds = 3
%(more)s
[run]
fleet = "inline"
"""
SWEEP = """
name = "sweep"
seed = 1
[space.parameters]
alpha = { type = "float", low = 1e-3, high = 10.0, log = true }
[[targets]]
name = "%(target)s"
direction = "%(direction)s"
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
folds = 3
%(more)s
[proposer]
type = "random"
[run]
trials = 4
workers = 1
fleet = "inline"
"""
RIDGE = 'model = "ridge"'


def write(home: Path, more: str = RIDGE, rows: int = 40) -> None:
    rng = np.random.default_rng(0)
    lines = [
        f"{a:.6f},{b:.6f},{word},{3 * a + b + noise:.6f}"
        for (a, b, noise), word in zip(
            rng.normal(size=(rows, 3)) * [1, 1, 0.3], rng.choice(["p", "q"], rows), strict=True
        )
    ]
    (home / "t.csv").write_text("\n".join(["a,b,kind,y", *lines]) + "\n")
    (home / "one.toml").write_text(TRAIN % {"more": more})
    named = {"more": more, "target": "mae", "direction": "min"}
    (home / "sweep.toml").write_text(SWEEP % named)
    (home / "new.csv").write_text("id,a,b,kind\n=1+1,0.1,-0.2,p\n-3,9,0.3,r\nx,0.5,,q\n")


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def dummy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No linear model and no forest beside it: they take longer than all the rest."""
    monkeypatch.setattr(baselines, "_estimators", lambda data, jobs: iter(()))


@pytest.fixture
def one(home: Path, matscout: Matscout, dummy_alone: None) -> Path:
    """The folder, with a trained run in it."""
    write(home)
    said = matscout("train", "one.toml")
    assert said.code == 0, said.err
    return home


def test_train_says_what_it_is_worth_and_how_to_predict(
    home: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partial(RandomForestRegressor, n_estimators=3)
    monkeypatch.setattr(baselines, "RandomForestRegressor", few)
    write(home, 'model = "ridge"\nhyperparameters = { alpha = 0.5 }')
    said = matscout("train", "one.toml")
    assert said.code == 0, said.err
    assert "against dummy" in said.out and "against linear" in said.out
    assert "against random forest" in said.out and "with: alpha = 0.5" in said.out
    assert "next: matscout predict one NEW.csv" in said.out
    again = matscout("train", "one.toml")
    assert again.code == 2 and "resume it" in again.err
    assert matscout("verify", "one").code == 0 and matscout("report", "one").code == 0


def test_predictions_beside_the_columns_of_the_file(one: Path, matscout: Matscout) -> None:
    said = matscout("predict", "one", "new.csv", "-o", "out.csv")
    assert said.code == 0, said.err
    rows = read(one / "out.csv")
    assert list(rows[0]) == ["id", "a", "b", "kind", "prediction", "low", "high", "warning"]
    assert [row["id"] for row in rows] == ["'=1+1", "-3", "x"]
    for row in rows:
        assert float(row["low"]) <= float(row["prediction"]) <= float(row["high"])
    assert float(rows[0]["prediction"]) == pytest.approx(0.1, abs=0.3)
    assert rows[0]["warning"] == "" and "b is missing" in rows[2]["warning"]
    assert "a = 9 is above" in rows[1]["warning"] and "kind 'r' never seen" in rows[1]["warning"]
    assert "2 of 3 rows lie outside" in said.out and "beware" not in said.out
    first = (one / "out.csv").read_bytes()
    assert matscout("predict", "one", "new.csv", "-o", "out.csv", "--force").code == 0
    assert (one / "out.csv").read_bytes() == first


def test_a_target_column_is_scored(one: Path, matscout: Matscout) -> None:
    (one / "new.csv").write_text("a,b,kind,y\n1,0,p,3.2\n0,1,q,\n0,1,q,NA\n")
    found = json.loads(matscout("predict", "one", "new.csv", "--json").out)
    assert found["scored"] == 1 and found["reproduced"] is True
    assert found["score"] == pytest.approx(abs(found["rows"]["prediction"][0] - 3.2))


def test_a_sweep_predicts_by_the_mean_of_its_best_three(
    home: Path, matscout: Matscout, dummy_alone: None
) -> None:
    write(home, RIDGE)
    assert matscout("sweep", "sweep.toml").code == 0
    words = ("predict", "sweep", "new.csv", "--force", "--json")
    found = json.loads(matscout(*words).out)
    assert len(found["members"]) == 3 and found["reproduced"] is True
    taken = [member["trial"] for member in found["members"]]
    alone = json.loads(matscout(*words, "--select", "best").out)
    assert [m["trial"] for m in alone["members"]] == taken[:1] and alone["why"].startswith("trial")
    none = json.loads(matscout(*words, "--select", "none").out)
    assert none["members"][0]["params"] == {} and none["reproduced"] is None
    auto = json.loads(matscout(*words, "--select", "auto").out)
    assert auto["why"].startswith("tun")
    each = []
    for member in found["members"]:
        record(home, "sweep", [member])
        said = json.loads(matscout(*words).out)
        assert said["why"] == "as members.json says"
        each.append(said["rows"]["prediction"])
    assert found["rows"]["prediction"] == pytest.approx(np.mean(each, axis=0))


def test_a_damaged_file_of_predictions_takes_its_trial_out_of_the_mean(
    home: Path, matscout: Matscout, dummy_alone: None
) -> None:
    write(home, RIDGE)
    assert matscout("sweep", "sweep.toml").code == 0
    words = ("predict", "sweep", "new.csv", "--force", "--json")
    best = json.loads(matscout(*words).out)["members"][0]["trial"]
    path = home / f"results/runs/sweep/work/trial-{best:06d}-01/predictions.csv"
    text = path.read_text()
    for cut in ("", text[: len(text) // 2], text[: text.rindex("\n", 0, -1) + 1]):
        path.write_text(cut)
        said = matscout(*words)
        assert said.code == 0, said.err
        found = json.loads(said.out)
        assert best not in [member["trial"] for member in found["members"]]
        assert f"without trial {best} (its predictions.csv is missing" in found["why"]


def record(home: Path, run: str, members: list[dict[str, Any]], **more: Any) -> None:
    digest = hashlib.sha256((home / "t.csv").read_bytes()).hexdigest()
    trainer = {
        "type": "tabular", "table": "t.csv", "predict": "y", "model": "ridge"
    }  # fmt: skip
    body = {"trainer": trainer, "members": members, "metric": "mae", "target": "y",
            "table_sha256": digest, "threshold": None, **more}  # fmt: skip
    (home / "results/runs" / run / "members.json").write_text(json.dumps(body))


CLASSES = 'model = "linear"\ntask = "classification"\ncut = 0.5\nmetric = "roc_auc"'


def test_classes_have_probabilities_a_set_and_a_threshold(
    home: Path, matscout: Matscout, dummy_alone: None
) -> None:
    write(home, CLASSES)
    said = matscout("train", "one.toml")
    assert said.code == 0, said.err
    (home / "new.csv").write_text("a,b,kind,y\n2,0,p,7\n-2,1,q,-4\n0.1,0.2,q,0.6\n0.2,0,p,0.4\n")
    words = ("predict", "one", "new.csv", "-o", "out.csv", "--force", "--json")
    assert json.loads(matscout(*words).out)["score"] >= 0.75
    rows = read(home / "out.csv")
    assert [row["prediction"] for row in rows][:2] == ["> 0.5", "<= 0.5"]
    for row in rows:
        both = [float(row[f"probability of {name}"]) for name in ("<= 0.5", "> 0.5")]
        assert sum(both) == pytest.approx(1) and row["prediction"] in row["set"].split(" | ")
    trainer = {
        "table": "t.csv", "predict": "y", "model": "linear", "task": "classification",
        "cut": 0.5, "metric": "roc_auc",
    }  # fmt: skip
    member = {"trial": None, "params": {}, "seed": 1}
    for cut, label in ((0.0, "> 0.5"), (1.1, "<= 0.5")):
        record(home, "one", [member], trainer=trainer, threshold=cut, metric="balanced_accuracy")
        said = matscout(*words)
        assert json.loads(said.out)["metric"] == "balanced_accuracy"
        assert {row["prediction"] for row in read(home / "out.csv")} == {label}


def test_new_rows_fewer_than_the_metric_looks_at_have_no_score(
    home: Path, matscout: Matscout, dummy_alone: None
) -> None:
    """The best five of four are all four, whatever the model says."""
    write(home, CLASSES.replace("roc_auc", "precision_at_5"))
    assert matscout("train", "one.toml").code == 0
    rows = ["2,0,p,7", "-2,1,q,-4", "0.1,0.2,q,0.6", "0.2,0,p,0.4", "1,1,p,4"]
    for count, wanted in ((4, None), (5, 0.6)):
        (home / "new.csv").write_text("\n".join(["a,b,kind,y", *rows[:count]]) + "\n")
        words = ("predict", "one", "new.csv", "-o", "out.csv", "--force", "--json")
        assert json.loads(matscout(*words).out)["score"] == wanted


BAD: list[tuple[str | None, tuple[str, ...], str]] = [
    ("a,kind\n1,p\n", (), "new.csv: no column 'b'; known here: a, kind"),
    ("a,b,kind\n1,many,p\n", (), "line 2: 'many' among the numbers of column 'b'"),
    ("a,b,kind\n", (), "new.csv: an empty table"),
    ("a,b,kind,y\n1,2,p,high\n", (), "line 2: target 'y' must be a finite number or empty"),
    ("a,b,kind,low\n1,2,p,1\n", (), "has a column 'low' already; rename it"),
    ("a,b,kind\n1,2\n", (), "line 2: 2 cells under 3 columns"),
    (None, (), "new.csv: no such file"),
    ("a,b,kind\n1,2,p\n", ("--interval", "1"), "--interval: must lie between 0 and 1, got 1"),
    ("a,b,kind\n1,2,p\n", ("--select", "bst"), "no rule is called 'bst'; did you mean 'best'"),
    ("a,b,kind\n1,2,p\n", ("-o", "new.csv"), "new.csv: exists already; choose another file"),
    ("a,b,kind\n1,2,p\n", ("-o", "new.csv", "--force"), "is the file of new rows itself"),
]


def test_bad_rows_write_nothing(one: Path, matscout: Matscout) -> None:
    for text, words, what in BAD:
        (one / "new.csv").unlink(missing_ok=True)
        if text is not None:
            (one / "new.csv").write_text(text)
        said = matscout("predict", "one", "new.csv", *words)
        assert said.code == 2 and what in said.err, said.err
        assert len(said.err.strip().splitlines()) == 1 and said.out == ""
        assert not (one / "predictions.csv").exists()
        assert text is None or (one / "new.csv").read_text() == text


def test_a_training_that_crashes_has_failed(
    home: Path, matscout: Matscout, monkeypatch: pytest.MonkeyPatch, dummy_alone: None
) -> None:
    def crash(*given: Any) -> None:
        raise ArithmeticError("no such split")

    monkeypatch.setattr(TabularTrainer, "evaluate", crash)
    write(home)
    for words in (("train", "one.toml"), ("resume", "one")):
        said = matscout(*words)
        last = said.err.splitlines()[-1]
        assert said.code == 3 and "next: " not in said.out
        assert last.startswith("matscout: evaluator: the only trial crashed: ")
        assert "ArithmeticError: no such split" in last


@pytest.mark.parametrize("model", ["gaussian_process", "extra_trees"])
def test_stated_uncertainty_is_there_where_it_is_stated(
    model: str, home: Path, matscout: Matscout, dummy_alone: None
) -> None:
    write(home, f'model = "{model}"')
    assert matscout("train", "one.toml").code == 0
    said = matscout("predict", "one", "new.csv", "-o", "out.csv")
    assert said.code == 0, said.err
    rows = read(home / "out.csv")
    own = ["sd", "epistemic", "aleatoric"] if model == "gaussian_process" else []
    assert list(rows[0])[4:] == ["prediction", "low", "high", *own, "warning"]
    for row in rows if own else ():
        sd, epistemic, aleatoric = (float(row[name]) for name in own)
        assert sd == pytest.approx(np.hypot(epistemic, aleatoric)) and epistemic > 0
        assert aleatoric == pytest.approx(0.3, rel=0.5)  # the noise of the table, in its unit
    assert not own or float(rows[1]["epistemic"]) > float(rows[0]["epistemic"])


def test_another_table_is_refused(one: Path, matscout: Matscout) -> None:
    table, old = one / "t.csv", "0.125730"
    assert old in table.read_text()
    record(one, "one", [{"trial": 0, "params": {"imputer": "median"}, "seed": 1}])
    table.write_text(table.read_text().replace(old, "0.125731", 1))
    for _ in range(2):
        said = matscout("predict", "one", "new.csv")
        assert said.code == 2 and "has changed since run 'one' learned from it" in said.err
        (one / "results/runs/one/members.json").unlink(missing_ok=True)
    table.unlink()
    assert "no such file" in matscout("predict", "one", "new.csv").err


def test_what_is_no_table_or_has_no_trial_is_refused(
    home: Path, matscout: Matscout, one: Path
) -> None:
    assert matscout("sweep", "first.toml").code == 0
    said = matscout("predict", "first", "new.csv")
    assert said.code == 2 and "run 'first' is a sweep of function" in said.err
    seedless = (
        '{"members": [{"trial": 0, "params": {}, "seed": %s}], "trainer": {}, "table_sha256": ""}'
    )
    for text in ("{}", "[" * 100_000, seedless % "-1", seedless % "1e999"):
        (home / "results/runs/one/members.json").write_text(text)
        said = matscout("predict", "one", "new.csv")
        mend = "members.json: cannot be read; restore it, or say --select"
        assert said.code == 2 and mend in said.err


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ('model = "ridgy"', "did you mean 'ridge'?"),
        ('model = "ridge"\nhyperparameters = { alfa = 1 }', "did you mean 'alpha'?"),
        ('model = "ridge"\nmetric = "mea"', "did you mean 'mae'?"),
    ],
)
def test_mistakes_train_nothing(more: str, what: str, home: Path, matscout: Matscout) -> None:
    write(home, more)
    said = matscout("train", "one.toml")
    assert said.code == 2 and what in said.err and len(said.err.strip().splitlines()) == 1
    (home / "one.toml").write_text('name = "one"\n[evaluator]\ntype = "function"\n')
    assert "use tabular or crystal_graph" in matscout("train", "one.toml").err
    assert not (home / "results").exists()


@pytest.mark.slow
def test_crystals_are_trained_and_not_predicted(home: Path, matscout: Matscout) -> None:
    new = substituted(12, seed=3, max_sites=6)
    target = np.array([one.structure.volume for one in new])
    names = tuple(f"c{k}" for k in range(12))
    crystals = StructureSet(names, tuple(one.structure for one in new), target)
    save_structures(home / "c.jsonl", crystals)
    (home / "one.toml").write_text(
        'name = "one"\n[evaluator]\ntype = "crystal_graph"\nstructures = "c.jsonl"\nepochs = 1\n'
        '[run]\nfleet = "inline"\n'
    )
    said = matscout("train", "one.toml")
    assert said.code == 0 and "best: trial 0: mae = " in said.out, said.err
    assert " structures/s on cpu, one attempt" in said.out
    (home / "new.csv").write_text("a\n1\n")
    said = matscout("predict", "one", "new.csv")
    assert said.code == 2 and "run 'one' is a sweep of crystal_graph" in said.err


@pytest.mark.slow
def test_killed_and_repeated_it_predicts_the_same(home: Path, matscout: Matscout) -> None:
    write(home, 'model = "extra_trees"')
    code = "from matscout.cli.app import main; main(['train', 'one.toml'])"
    armed = {**os.environ, "MATSCOUT_FAILPOINT": "checkpoint.before_rename:2:kill"}
    done = subprocess.run([sys.executable, "-c", code], env=armed, capture_output=True)
    assert done.returncode not in (0, 2, 3)
    assert matscout("resume", "one").code == 0
    assert matscout("train", "one.toml", "--name", "two").code == 0
    for run in ("one", "two"):
        said = matscout("predict", run, "new.csv", "-o", f"{run}.csv")
        assert said.code == 0 and "beware" not in said.out
    assert (home / "one.csv").read_bytes() == (home / "two.csv").read_bytes()
