"""A sealed test set: set aside at the start, opened once, and in the journal."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli import recipe
from matscout.drive.final import say_once, set_aside
from matscout.drive.recipe_plan import Question, planned
from matscout.errors import InputError
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.event import EventKind
from matscout.journal import Journal
from matscout.runfolder import RunFolder

Matscout = Callable[..., Any]
SPACE = 'parameters.model = { type = "categorical", choices = ["linear"] }'
WORDS = ["small.toml", "--data", "t.csv", "--target", "y", "--outer", "2", "--trials", "2",
         "--workers", "1", "--fleet", "inline", "--sealed", "0.25"]  # fmt: skip


@pytest.fixture
def table(home: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = x @ [3.0, 1.0] + 0.3 * rng.normal(size=60)
    rows = [f"{k // 2},{a!r},{b!r},{v!r}" for k, ((a, b), v) in enumerate(zip(x.tolist(), y.tolist(), strict=True))]  # fmt: skip
    (home / "t.csv").write_text("\n".join(["batch,a,b,y", *rows]) + "\n")
    (home / "small.toml").write_text(SPACE)
    return home / "t.csv"


def unsealed(home: Path, name: str) -> list[dict[str, Any]]:
    with Journal.read_only(RunFolder(home / "results" / "runs" / name)) as journal:
        return [dict(e.body) for e in journal.read() if e.kind is EventKind.UNSEALED]


@pytest.mark.slow
def test_opened_once_and_never_again(home: Path, matscout: Matscout, table: Path) -> None:
    said = matscout("sweep", *WORDS, "--name", "few", "--group", "batch", "--json")
    assert said.code == 0, said.err
    folds = json.loads(said.out)["folds"]
    assert "sealed: 16 of 60 rows are set aside" in said.err or "sealed: 14 of 60" in said.err
    assert len(folds) == 2 and unsealed(home, "few") == []
    assert "--sealed 0.25" in (home / "results/runs/few/card.md").read_text()

    said = matscout("predict", "few", "--final", "-o", "final.csv")
    assert said.code == 0, said.err
    assert "sealed test set" in said.out and "new rows with a 'y'" in said.out
    opened, told = unsealed(home, "few")
    rows = list(csv.DictReader((home / "final.csv").open()))
    errors = [abs(float(row["y"]) - float(row["prediction"])) for row in rows]
    assert opened["rows"] == told["rows"] == len(rows) and told["metric"] == "mae"
    assert told["value"] == pytest.approx(np.mean(errors)) and told["value"] < 1.0
    # Batches were kept whole, and none of the sealed rows was in any fold.
    outer = [
        json.loads(p.read_text()) for p in (home / "results/runs").glob("few-outer-*/outer.json")
    ]
    seen = {row // 2 for one in outer for row in one["rows"]}
    sealed = {int(row["batch"]) for row in rows}
    assert not seen & sealed and len(seen | sealed) == 30

    said = matscout("predict", "few", "--final", "-o", "again.csv")
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert "was opened on" in said.err and f"mae {told['value']:.6g}" in said.err
    assert not (home / "again.csv").exists() and len(unsealed(home, "few")) == 2


def ridge(home: Path, name: str, *options: str) -> str:
    lines = [
        f'name = "{name}"', "[evaluator]", 'type = "tabular"', 'table = "t.csv"', 'predict = "y"',
        'model = "ridge"', 'inputs = ["a", "b"]', *options, "[run]", 'fleet = "inline"',
    ]  # fmt: skip
    (home / f"{name}.toml").write_text("\n".join(lines))
    return f"{name}.toml"


def test_a_config_may_seal_too(home: Path, matscout: Matscout, table: Path) -> None:
    assert matscout("train", ridge(home, "one", "sealed = 0.2")).code == 0
    said = matscout("predict", "one", "t.csv", "-o", "all.csv", "--json")
    found = json.loads(said.out)
    # The sealed rows are not scored on the way.
    assert said.code == 0 and found["trained_on"] == found["scored"] == 48
    said = matscout("predict", "one", "--final", "-o", "final.csv", "--json")
    found = json.loads(said.out)
    assert found["final"] and found["scored"] == 12 and found["trained_on"] == 48
    assert matscout("predict", "one", "--final", "-o", "again.csv").code == 2

    more = ("sealed = 0.2", "hyperparameters = { alpha = 7.0 }")
    assert matscout("train", ridge(home, "two", *more)).code == 0
    said = matscout("predict", "two", "--final", "-o", "again.csv")
    assert said.code == 2 and "by another model" in said.err and unsealed(home, "two") == []
    assert matscout("train", ridge(home, "three", "sealed = 0.2", "split_seed = 5")).code == 0
    said = matscout("predict", "three", "--final", "-o", "again.csv")
    assert said.code == 2 and "seals other rows already" in said.err


def test_what_does_not_fit(home: Path, matscout: Matscout, table: Path) -> None:
    said = matscout("sweep", *WORDS[:-1], "0.7", "--name", "few")
    assert said.code == 2 and "share <= 0.5" in said.err
    assert matscout("train", ridge(home, "open")).code == 0
    assert "has no sealed rows" in matscout("predict", "open", "--final").err
    fold = ("sealed = 0.2", "outer_folds = 2", "outer_fold = 0")
    assert matscout("train", ridge(home, "fold", *fold)).code == 0
    assert "is one outer fold" in matscout("predict", "fold", "--final").err
    assert not (home / "results/runs/.sealed").exists()
    assert "NEW.csv: is missing" in matscout("predict", "open").err
    assert "do not go together" in matscout("predict", "open", "t.csv", "--final").err


def test_a_name_that_is_taken_does_not_spend_the_look(
    home: Path, matscout: Matscout, table: Path
) -> None:
    table.write_text(table.read_text().replace("batch,a", "prediction,a"))
    assert matscout("train", ridge(home, "one", "sealed = 0.2")).code == 0
    said = matscout("predict", "one", "--final", "-o", "final.csv")
    assert said.code == 0, said.err
    rows = list(csv.DictReader((home / "final.csv").open()))
    assert len(rows) == 12 and {"prediction", "final prediction"} <= rows[0].keys()


def test_a_score_without_a_value_is_said_again(home: Path, matscout: Matscout, table: Path) -> None:
    assert matscout("train", ridge(home, "one", "sealed = 0.2")).code == 0
    say_once(RunFolder(home / "results/runs/one"), "r2", float("nan"), 12)
    said = matscout("predict", "one", "--final", "-o", "final.csv")
    assert said.code == 2 and "r2 nan on 12 rows" in said.err


def test_another_order_of_the_rows_is_no_new_test_set(
    home: Path, matscout: Matscout, table: Path
) -> None:
    trainer = TabularTrainer(table="t.csv", predict="y", model="ridge", sealed=0.2)
    set_aside(home, trainer)
    first, *rows = table.read_text().splitlines()
    table.write_text("\n".join([first, *reversed(rows)]) + "\n")
    with pytest.raises(InputError, match="seals other rows already"):
        set_aside(home, trainer)


def test_what_the_audit_leaves_out_draws_no_other_rows(home: Path) -> None:
    """Rows with equal inputs belong together. An input that is constant but in one row is none of the
    visible rows': left out, it would move rows over the seal."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)).round(3).tolist()
    rows = [
        f"{x[k % 40][0]},{x[k % 40][1]},{'odd' if k == 7 else 'same'},"
        f"{3 * x[k % 40][0] + x[k % 40][1] + 0.3 * rng.normal():.4f}"
        for k in range(60)
    ]
    (home / "c.csv").write_text("\n".join(["a,b,k,y", *rows]) + "\n")
    (home / "small.toml").write_text(SPACE)
    question = Question(home / "c.csv", "y", sealed=0.2)
    file, space = recipe._space(home / "small.toml")
    asked = recipe.Recipe(question, space, file, "few", home / "runs", 2, 1, "inline", True)
    plan = planned(question, recipe.audited(question), 0)
    known, own, _ = recipe._sealed(asked, plan)
    first, then = (recipe.trainer_of(p.options) for p in (plan, own))
    assert plan.options["group"] == "equal inputs"
    assert first.data.rows.tolist() == then.data.rows.tolist()
    set_aside(home / "runs", then)  # the seal that `first` has made fits
    for fold in range(2):
        hidden = {"outer_folds": 2, "outer_fold": fold}
        rows_of = recipe.trainer_of({**own.options, **hidden}).data.rows
        inner = recipe._own_plan(own, recipe.audited(known.question, rows_of))
        again = recipe.trainer_of({**inner.options, **hidden}).data.rows
        assert rows_of.tolist() == again.tolist()
