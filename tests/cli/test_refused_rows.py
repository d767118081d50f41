"""A technique that cannot learn from a table's rows: a failed experiment, and one line of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.drive.run import load
from matscout.evaluate import baselines
from matscout.runfolder import RunFolder
from matscout.trial import State

Matscout = Callable[..., Any]
TRAIN = """
name = "one"
seed = 3
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
task = "classification"
metric = "balanced_accuracy"
model = "linear"
split = "stratified"
folds = 2
hyperparameters = { resample = "%s" }
[run]
fleet = "inline"
%s
"""
SWEEP = """
[space.parameters]
resample = { type = "categorical", choices = ["smote", "random_over", "adasyn", "none"] }
[[targets]]
name = "balanced_accuracy"
direction = "max"
[proposer]
type = "grid"
"""


@pytest.fixture(autouse=True)
def no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """No linear model and no forest beside it: they take longer than all the rest."""
    monkeypatch.setattr(baselines, "_estimators", lambda data, jobs: iter(()))


def write(home: Path, rare: int, resample: str = "smote", more: str = "") -> None:
    """A table of 40 rows, `rare` of them of the rare class: half of these in each of two folds."""
    x = np.random.default_rng(0).normal(size=(40, 2)).round(4)
    lines = [f"{a},{b},{'rare' if k < rare else 'usual'}" for k, (a, b) in enumerate(x)]
    (home / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (home / "one.toml").write_text(TRAIN % (resample, more))


def runs(home: Path) -> Mapping[str, Any]:
    history, _ = load(RunFolder(home / "results" / "runs" / "one"))
    return {str(trial.params["resample"]): trial for trial in history.trials}


@pytest.mark.parametrize("more", ["", "fold_jobs = true"])
def test_a_training_ends_in_one_line_that_names_the_fold(
    more: str, home: Path, matscout: Matscout
) -> None:
    write(home, 2, more=more)
    said = matscout("train", "one.toml")
    last = said.err.strip().splitlines()[-1]
    assert said.code == 2 and "next: " not in said.out
    assert last == (
        "matscout: one.toml: fold 0: params.resample: smote needs two rows of each class, and one class"
        " has 1 to train on; use random_over, or fewer folds"
    )
    trial = runs(home)["smote"]
    assert trial.state is State.FAILED and trial.attempts == 1


def test_a_value_that_is_refused_is_one_line_too(home: Path, matscout: Matscout) -> None:
    write(home, 6)
    text = (home / "one.toml").read_text().replace('"linear"', '"average"')
    (home / "one.toml").write_text(text.replace('resample = "smote"', 'members = "linear"'))
    said = matscout("train", "one.toml")
    last = said.err.strip().splitlines()[-1]
    assert said.code == 2
    assert last.startswith(
        "matscout: one.toml: params.members: must be two or more different models"
    )


def test_a_sweep_goes_on_with_other_techniques(home: Path, matscout: Matscout) -> None:
    write(home, 2, more="trials = 4")
    text = (home / "one.toml").read_text().replace('hyperparameters = { resample = "smote" }', "")
    (home / "one.toml").write_text(text.replace("[evaluator]", SWEEP + "[evaluator]"))
    said = matscout("sweep", "one.toml")
    assert said.code == 0, said.err
    found = runs(home)
    assert {name: trial.state for name, trial in found.items()} == {
        "smote": State.FAILED, "adasyn": State.FAILED,
        "random_over": State.COMPLETE, "none": State.COMPLETE,
    }  # fmt: skip
    assert all(trial.attempts == 1 for trial in found.values())
    assert "to be retried" not in said.err and "failed: fold 0: params.resample: smote" in said.err


def test_what_a_resampler_warns_of_is_told_as_a_remark(home: Path, matscout: Matscout) -> None:
    write(home, 6)
    said = matscout("train", "one.toml")
    assert said.code == 0, said.err
    remark = "matscout: resample = smote: 2 neighbours instead of 5: the rarest class has no more"
    assert said.err.splitlines().count(remark) == 1
    assert "ResampleWarning" not in said.err and "warn(" not in said.err
