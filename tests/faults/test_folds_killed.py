"""A sweep whose folds are jobs of their own, its driver killed again and again, is the sweep of whole
trials: same suggestions, same verdicts, same values to the last digit.

The driver is a fork of this process, which SIGKILL ends at a named place. One worker in the driver
itself, so that there is one order of completion to compare; with two processes, what must not
depend on the order.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout import failpoint
from matscout.cli import assemble
from matscout.cli.assemble import drive, spec_from_file
from matscout.drive.loop import Observer
from matscout.drive.run import create, load
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.event import EventKind
from matscout.fleet.part import trial_and_part
from matscout.journal import Journal
from matscout.runfolder import RunFolder
from matscout.seeds import trial_seed
from matscout.trial import Measurement, State

FOLDS = 5
CONFIG = """
name = "swept"
seed = 11
[space.parameters]
alpha = {{ type = "float", low = 0.01, high = 1e4, log = true }}
fit_intercept = {{ type = "categorical", choices = [true, false] }}
[[targets]]
name = "mae"
direction = "min"
[evaluator]
type = "tabular"
table = "t.csv"
predict = "y"
model = "ridge"
folds = 5
[proposer]
type = "tpe"
startup = 4
[early_stopping]
type = "asha"
thaw = true
[run]
trials = {trials}
workers = {workers}
fleet = "{fleet}"
fold_jobs = {fold_jobs}
"""
DRIVERS = (
    "journal.before_commit", "journal.after_commit", "loop.before_acknowledge", "loop.before_submit",
    "divided.part_heard", "divided.before_outbox", "outbox.before_write", "outbox.after_rename",
)  # fmt: skip
WORKERS = ("worker.before_report", "checkpoint.before_rename", "checkpoint.after_rename")


@pytest.fixture(autouse=True)
def no_baselines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What untuned models score is no part of the journal."""
    monkeypatch.setattr(assemble, "_measure_baselines", lambda *_: None)
    yield


def made(path: Path, fold_jobs: bool, trials: int, workers: int, fleet: str) -> RunFolder:
    path.mkdir()
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 3))
    y = x @ [2.0, -1.0, 0.5] + x[:, 0] ** 2 + rng.normal(size=80)
    rows = [",".join(map(repr, map(float, (*row, value)))) for row, value in zip(x, y, strict=True)]
    (path / "t.csv").write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    config = path / "c.toml"
    text = CONFIG.format(
        trials=trials, workers=workers, fleet=fleet, fold_jobs=str(fold_jobs).lower()
    )
    config.write_text(text)
    folder = RunFolder(path / "swept")
    create(folder, spec_from_file(config, "sweep", {}))
    return folder


def swept(
    path: Path, fold_jobs: bool, trials: int, workers: int = 1, fleet: str = "inline"
) -> RunFolder:
    folder = made(path, fold_jobs, trials, workers, fleet)
    drive(folder, Observer())
    return folder


def killed(folder: RunFolder, places: Sequence[str], seed: int) -> RunFolder:
    """The sweep, killed at each of the places, at a pass drawn from `seed`, then left to its end."""
    rng = random.Random(seed)
    for place in places:
        count = rng.randint(1, 4)
        child = os.fork()
        if child == 0:
            try:
                failpoint.arm(f"{place}:{count}:kill")
                drive(folder, Observer())
            finally:
                os._exit(9)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, place
    drive(folder, Observer())
    return folder


def story(folder: RunFolder) -> list[Any]:
    """Of each trial what was suggested and why, all that it reported, how it ended and why."""
    history, _ = load(folder)
    return [
        (
            dict(t.params), dict(t.why), t.state, t.reason, dict(t.values), dict(t.sem),
            [(r.step, dict(r.values)) for r in t.reports],
        )
        for t in history.trials
    ]  # fmt: skip


def results_left(folder: RunFolder) -> dict[int, int]:
    """How many folds lie there by trial."""
    left: dict[int, int] = {}
    for place in (folder.parts.root / "checkpoints").iterdir():
        trial, _ = trial_and_part(int(place.name.partition("-")[2]))
        left[trial] = left.get(trial, 0) + 1
    return left


def test_killed_at_every_place_it_is_the_sweep_of_whole_trials(tmp_path: Path) -> None:
    whole = swept(tmp_path / "whole", fold_jobs=False, trials=14)
    divided = swept(tmp_path / "divided", fold_jobs=True, trials=14)
    assert story(divided) == story(whole)
    broken = made(tmp_path / "broken", True, 14, 1, "inline")
    assert story(killed(broken, DRIVERS + WORKERS, seed=1)) == story(whole)
    history, _ = load(broken)
    states = {t.id: t.state for t in history.trials}
    assert set(states.values()) == {State.COMPLETE, State.PRUNED}
    for trial in history.trials:
        if trial.state is not State.COMPLETE:
            continue
        (predicted,) = (whole.root / "work").glob(f"trial-{trial.id:06d}-*/predictions.csv")
        again = [
            place.read_bytes()
            for folder in (divided, broken)
            for place in (folder.root / "work").glob(f"trial-{trial.id:06d}-*/predictions.csv")
        ]
        assert len(again) >= 2 and set(again) == {predicted.read_bytes()}
    # A pruned trial's later folds were never fitted; what was fitted is kept for its thawing.
    for folder in (divided, broken):
        pruned = [t for t in load(folder)[0].trials if t.state is State.PRUNED]
        assert results_left(folder) == {t.id: len(t.reports) for t in pruned}
        assert all(len(t.reports) < FOLDS for t in pruned)
        assert not list(folder.outbox.glob("*.json"))
        assert not list(folder.parts.outbox.glob("*.json"))


def test_no_fold_is_fitted_that_a_verdict_may_spare(tmp_path: Path) -> None:
    folder = swept(tmp_path / "shared", fold_jobs=True, trials=14, workers=6)
    pruned = [t for t in load(folder)[0].trials if t.state is State.PRUNED]
    assert {len(t.reports) for t in pruned} == {1, 3}, "asha's steps"
    assert results_left(folder) == {t.id: len(t.reports) for t in pruned}


@pytest.mark.slow
def test_two_processes_killed_and_killed_again(tmp_path: Path) -> None:
    folder = made(tmp_path / "killed", True, 16, 2, "process")
    spec = load(folder)[1]
    killed(folder, DRIVERS, seed=4)
    trainer = TabularTrainer(
        table=folder.root.parent / "t.csv", predict="y", model="ridge", folds=FOLDS
    )
    history, _ = load(folder)
    assert len(history.trials) == 16
    for trial in history.trials:
        assert trial.state in (State.COMPLETE, State.PRUNED)
        context = Context(seed=trial_seed(spec.seed, trial.id))
        *reports, value = trainer.evaluate(trial.params, context)
        assert isinstance(value, Measurement)
        told = [(r.step, dict(r.values)) for r in trial.reports]
        assert told == [(r.step, dict(r.values)) for r in reports][: len(told)]  # type: ignore[union-attr]
        if trial.state is State.COMPLETE:
            assert dict(trial.values) == dict(value.values) and len(trial.answered) == 1
    with Journal.read_only(folder) as journal:
        ended = [e.trial for e in journal.read() if e.kind is EventKind.MEASURED]
    assert len(ended) == len(set(ended)), "no trial is measured twice"
