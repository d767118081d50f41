"""Folds evaluated apart and joined again: the same to the last digit as one after the other."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.checkpoint import Checkpoint, CheckpointStore
from matscout.evaluate.base import Context, Part
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models.metrics import METRICS
from matscout.trial import Measurement, Report

PARAMS = {"max_depth": 4, "min_samples_leaf": 2}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    lines = ["a,b,sample,y,hit"]
    for k in range(60):
        a, b = rng.normal(size=2)
        lines.append(f"{a},{b},s{k // 3},{2 * a + b * b + 0.1 * rng.normal()},{int(k % 5 == 0)}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "t.csv"


def made(table: Path, **options: Any) -> TabularTrainer:
    chosen = {"predict": "y", "inputs": ["a", "b"], "hyperparameters": {"n_estimators": 3}}
    return TabularTrainer(table=table, **{**chosen, **options})


def through_disk(part: Part, folder: Path) -> Part:
    store = CheckpointStore(folder)
    store.save(Checkpoint(1, part.arrays, {"part": dict(part.state)}))
    found = store.load()
    assert found is not None
    return Part(found.state["part"], found.arrays)


def apart(trainer: TabularTrainer, params: dict[str, Any], context: Context) -> list[Any]:
    """What is said of parts that were evaluated last first, each by a trainer of its own."""
    assert context.workdir is not None
    parts: dict[int, Part] = {}
    for number in reversed(range(trainer.parts(params))):
        own = replace(trainer)  # loads its data anew, as another process does
        folder = context.workdir / f"part-{number}"
        part = own.evaluate_part(params, number, replace(context, checkpoints=None, workdir=None))
        assert part is not None
        parts[number] = through_disk(part, folder)
    joining, said = trainer.joining(params, context), []
    for number in range(trainer.parts(params)):
        said += joining.add(parts[number])
        if said and isinstance(said[-1], Measurement):
            break
    return said


def plain(said: list[Any]) -> list[Any]:
    """Without the marks of checkpoints, which are the fleet's here."""
    return [replace(s, checkpoint=False) if isinstance(s, Report) else s for s in said]


@pytest.mark.parametrize("fidelity", ["folds", "rows"])
@pytest.mark.parametrize(
    "options",
    [
        {"objective": "split", "folds": 3, "breakdown": True, "also": ["rmse", "r2"]},
        {"objective": "robert", "folds": 3, "repeats": 2},
        {"objective": "loco", "folds": 3},
        {
            "predict": "hit", "task": "classification", "split": "stratified", "folds": 3,
            "metric": "pr_auc", "also": ["mcc"],
        },
    ],
    ids=["split", "robert", "loco", "classes"],
)  # fmt: skip
def test_joined_parts_say_what_the_trial_says(
    table: Path, tmp_path: Path, options: dict[str, Any], fidelity: str
) -> None:
    trainer = made(table, fidelity=fidelity, **options)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = list(trainer.evaluate(PARAMS, Context(seed=7, workdir=whole)))
    said = apart(trainer, PARAMS, Context(seed=7, workdir=parts))
    assert plain(said) == plain(expected)
    assert all(s.checkpoint for s in said[:-1]), "from every report on it can go on"
    name = "predictions.csv"
    assert (whole / name).read_bytes() == (parts / name).read_bytes()


@pytest.mark.parametrize("fidelity", ["folds", "rows"])
def test_a_fold_without_a_score_ends_the_trial_as_ever(
    table: Path, tmp_path: Path, fidelity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = made(table, fidelity=fidelity, folds=4)
    judge = trainer.data.table.target[trainer.data.folds[1][1]]
    mae = METRICS["mae"]

    def score(truth: np.ndarray, guess: np.ndarray) -> float:
        return math.nan if truth[0] == judge[0] else mae.function(truth, guess)

    monkeypatch.setitem(METRICS, "mae", replace(mae, function=score))
    trainer = replace(trainer)
    expected = list(trainer.evaluate(PARAMS, Context(seed=7)))
    said = apart(trainer, PARAMS, Context(seed=7, workdir=tmp_path))
    assert repr(plain(said)) == repr(plain(expected))
    assert math.isnan(said[-1].values["mae"])


def test_a_result_is_known_by_all_that_it_depends_on(table: Path) -> None:
    trainer = made(table)
    known = trainer.part_fingerprint(PARAMS, 7, 0)
    assert known == replace(trainer).part_fingerprint(dict(reversed(PARAMS.items())), 7, 0)
    others = [
        trainer.part_fingerprint({**PARAMS, "max_depth": 5}, 7, 0),
        trainer.part_fingerprint(PARAMS, 8, 0),
        trainer.part_fingerprint(PARAMS, 7, 1),
        made(table, hyperparameters={"n_estimators": 4}).part_fingerprint(PARAMS, 7, 0),
        made(table, split_seed=1).part_fingerprint(PARAMS, 7, 0),
    ]
    table.write_text(table.read_text().replace("s1,", "s1,1"))
    others.append(made(table).part_fingerprint(PARAMS, 7, 0))
    assert len({known, *others}) == 7


def test_what_is_no_result_of_a_fold_is_refused(table: Path) -> None:
    trainer = made(table)
    for part in (Part({}), Part({"score": 1.0}), Part({"score": None}, {"value": np.zeros(3)})):
        with pytest.raises(ValueError, match="not the result of a fold"):
            trainer.joining({}, Context()).add(part)


def test_parts_are_folds_and_their_shares(table: Path) -> None:
    assert made(table, folds=4).parts({}) == 4
    assert made(table, folds=4, objective="cv", repeats=3).parts({}) == 12
    assert made(table, folds=4, fidelity="rows").parts({}) == 12
    before = made(table, folds=4).reported_before
    assert [before({}, n) for n in range(4)] == [0, 1, 2, 3]
    before = made(table, folds=2, fidelity="rows").reported_before
    assert [before({}, n) for n in range(6)] == [0, 0, 1, 1, 3, 3]
    assert made(table).indivisible == ""
    assert "side by side already" in made(table, fold_threads=2).indivisible
    assert "mlp" in made(table, model="mlp").indivisible
