"""`run.fold_jobs`: who can have it, how many trials are open then, and that a resume knows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matscout.cli.assemble import drive, spec_from_dict
from matscout.drive.loop import Observer
from matscout.drive.run import create, load
from matscout.errors import InputError
from matscout.runfolder import RunFolder

RIDGE = {"type": "tabular", "predict": "y", "model": "ridge", "folds": 4}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    rows = [f"{k % 7},{k % 11},{k % 7 - k % 3}" for k in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    (tmp_path / "lab.py").write_text("def f(params):\n    return params['alpha']\n")
    return tmp_path


def spec(home: Path, evaluator: dict[str, Any] | None, **run: Any) -> Any:
    table = {"table": str(home / "t.csv")} if evaluator and "predict" in evaluator else {}
    alpha = {"type": "float", "low": 0.1, "high": 10.0}
    stopping = {"early_stopping": run.pop("early_stopping")} if "early_stopping" in run else {}
    raw = {
        "name": "r",
        **stopping,
        "space": {"parameters": {"alpha": alpha}},
        "targets": [{"name": "mae", "direction": "min"}],
        "run": {"fold_jobs": True, "fleet": "inline", "trials": 3, **run},
        **({"evaluator": {**evaluator, **table}} if evaluator else {}),
    }
    kind = "sweep" if evaluator else "campaign"
    return spec_from_dict({"kind": kind, **raw}, kind, {}, home / "c.toml", "")


@pytest.mark.parametrize(
    ("evaluator", "run", "message"),
    [
        (None, {}, "people bring the results"),
        ({"type": "function", "target": "lab:f"}, {}, "the trials of evaluator 'function' have no"),
        ({**RIDGE, "fold_threads": 2}, {}, "fold_threads fits its folds side by side already"),
        ({**RIDGE, "split": "holdout"}, {}, "a trial has 2 to 10000 folds, this one 1"),
        (RIDGE, {"costly": True}, "these experiments are costly"),
        (
            RIDGE,
            {
                "overlap": True,
                "ahead": 3,
                "fleet": "process",
                "early_stopping": {"type": "asha"},
            },
            "what is spared would depend on the moment",
        ),
    ],
)
def test_who_cannot_have_it_is_told_in_a_line(
    home: Path, evaluator: dict[str, Any] | None, run: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        spec(home, evaluator, **run)
    assert str(caught.value).startswith("run.fold_jobs: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_networks_that_train_side_by_side_are_refused(home: Path) -> None:
    raw = {**RIDGE, "model": "mlp", "hyperparameters": {}}
    with pytest.raises(InputError, match=r"run\.fold_jobs: the networks of mlp train side by side"):
        # A space of mlp's own would pass every check before this one.
        spec_with(home, raw, {"lr": {"type": "float", "low": 0.001, "high": 0.1}})


def spec_with(home: Path, evaluator: dict[str, Any], parameters: dict[str, Any]) -> Any:
    raw = {
        "name": "r",
        "space": {"parameters": parameters},
        "targets": [{"name": "mae", "direction": "min"}],
        "evaluator": {**evaluator, "table": str(home / "t.csv")},
        "run": {"fold_jobs": True},
    }
    return spec_from_dict(raw, "sweep", {}, home / "c.toml", "")


@pytest.mark.parametrize(
    ("run", "slots"),
    [
        ({"workers": 1}, 1),
        ({"workers": 4}, 2),
        ({"workers": 9}, 4),
        ({"workers": 4, "batch": 3}, 3),
        ({"workers": 4, "fold_jobs": False}, 4),
        ({"workers": 4, "early_stopping": {"type": "median"}}, 4),
        ({"workers": 4, "early_stopping": {"type": "asha", "min_step": 2}}, 3),
        ({"workers": 4, "early_stopping": {"type": "hyperband", "max_step": 4, "factor": 4}}, 4),
    ],
)
def test_fewer_trials_are_open(home: Path, run: dict[str, Any], slots: int) -> None:
    assert spec(home, RIDGE, **run).policy.slots == slots


def test_shares_of_the_rows_go_together(home: Path) -> None:
    rows = {**RIDGE, "fidelity": "rows"}
    assert spec(home, rows, workers=4, early_stopping={"type": "asha"}).policy.slots == 2


def test_a_run_knows_it_and_goes_on_with_it(home: Path) -> None:
    folder = RunFolder(home / "r")
    made = spec(home, RIDGE, workers=3)
    create(folder, made)
    assert json.loads(folder.manifest.read_text())["config"]["run"]["fold_jobs"] is True
    assert load(folder)[1].policy.slots == 2
    drive(folder, Observer())
    assert (folder.parts.root / "checkpoints").is_dir()
    assert all(t.values["mae"] > 0 for t in load(folder)[0].completed)
    reason, again = drive(folder, Observer(), overrides={"trials": 5, "workers": 9})
    assert reason == "budget of 5 trials used" and again.policy.slots == 4
    assert len(load(folder)[0].completed) == 5
