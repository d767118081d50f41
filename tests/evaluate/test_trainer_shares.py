"""Steps that are shares of the training rows: same judges, same value at the end, mistakes by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli.assemble import spec_from_dict
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.report.folds import reports_are
from matscout.trial import Measurement


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    lines = ["a,b,sample,y,hit"]
    for k in range(90):
        a, b = rng.normal(size=2)
        lines.append(f"{a},{b},s{k // 3},{2 * a + b * b + 0.1 * rng.normal()},{int(k % 10 == 0)}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "t.csv"


def made(table: Path, **options: Any) -> TabularTrainer:
    chosen = {"model": "ridge", "predict": "y", "inputs": ["a", "b"], **options}
    return TabularTrainer(table=table, **chosen)


def said(trainer: TabularTrainer, **params: Any) -> tuple[dict[int, float], Measurement]:
    *reports, last = trainer.evaluate(params, Context(seed=2))
    assert isinstance(last, Measurement)
    return {r.step: r.values[trainer.target_name] for r in reports}, last  # type: ignore[union-attr]


@pytest.mark.parametrize("objective", ["split", "cv", "robert", "loco", "sorted"])
def test_the_value_at_the_end_is_that_of_the_folds(table: Path, objective: str) -> None:
    options: dict[str, Any] = {"objective": objective, "folds": 3}
    if objective in ("cv", "robert"):
        options["repeats"] = 2
    folds, value = said(made(table, **options))
    shares, same = said(made(table, fidelity="rows", **options))
    assert same == value and list(shares) == [1, 3, 9]
    assert shares[9] == folds[max(folds)] == value.values["mae"]
    if objective in ("split", "cv", "loco"):  # the others ask beyond the range of the rows
        assert shares[1] > shares[9], "more rows, smaller error"


def test_other_steps_and_groups(table: Path) -> None:
    trainer = made(
        table, fidelity="rows", fidelity_steps=[1, 2, 4], split="grouped", group="sample", folds=3
    )
    assert list(said(trainer)[0]) == [1, 2, 4]
    groups = trainer.data.table.groups
    assert groups is not None
    for of in trainer.data.shares[:2]:
        for part, (train, _) in zip(of, trainer.data.folds, strict=True):
            assert set(train[np.isin(groups[train], groups[part])]) == set(part)
    halves = [len(p) / len(t) for p, (t, _) in zip(trainer.data.shares[1], trainer.data.folds, strict=True)]  # fmt: skip
    assert all(0.5 <= half < 0.56 for half in halves)


def test_a_rare_class_is_never_missing(table: Path) -> None:
    trainer = made(
        table, predict="hit", task="classification", metric="pr_auc", split="stratified", folds=3,
        fidelity="rows", model="extra_trees", hyperparameters={"n_estimators": 5},
    )  # fmt: skip
    for of in trainer.data.shares:
        assert all(len(np.unique(trainer.data.table.target[part])) == 2 for part in of)
    assert list(said(trainer)[0]) == [1, 3, 9]


def test_a_checkpoint_of_other_steps_is_not_ours(table: Path) -> None:
    digests = {
        made(table, **options).data.digest
        for options in (
            {},
            {"fidelity": "rows"},
            {"fidelity": "rows", "fidelity_steps": [1, 2]},
        )
    }
    assert len(digests) == 3
    assert made(table).data.digest == made(table, fidelity="folds").data.digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fidelity": "row"}, "trainer.fidelity: a step of ridge cannot be one of 'row'"),
        ({"model": "mlp", "fidelity": "rows"}, "trainer.fidelity: a step of mlp cannot"),
        ({"fidelity": "rows", "fidelity_steps": [9]}, "trainer.fidelity_steps: must be two"),
        ({"fidelity": "rows", "fidelity_steps": [3, 1]}, "trainer.fidelity_steps: must be two"),
        ({"fidelity": "rows", "fidelity_steps": [0, 1]}, "trainer.fidelity_steps: must be two"),
        (
            {"fidelity": "rows", "fidelity_steps": [1, 500]},
            "trainer.fidelity_steps: too few rows: fold 0",
        ),
    ],
)
def test_mistakes_by_name(table: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        _ = made(table, **options).data
    assert message in str(caught.value)


def test_a_test_over_folds_is_refused_and_no_share_is_drawn_as_a_fold(table: Path) -> None:
    evaluator = {"type": "tabular", "table": str(table), "predict": "y", "model": "ridge",
                 "fidelity": "rows", "inputs": ["a", "b"]}  # fmt: skip
    raw = {
        "name": "r",
        "space": {"parameters": {"alpha": {"type": "float", "low": 0.1, "high": 10.0}}},
        "targets": [{"name": "mae", "direction": "min"}],
        "evaluator": evaluator,
        "early_stopping": {"type": "wilcoxon"},
    }
    with pytest.raises(InputError, match="steps here are shares of the rows"):
        spec_from_dict(raw, "sweep", {}, table, "")
    raw["early_stopping"] = {"type": "hyperband", "max_step": 9, "thaw": True}
    assert spec_from_dict(raw, "sweep", {}, table, "").config["early_stopping"]["thaw"] is True
    assert reports_are({"evaluator": evaluator}) is None
    assert reports_are({"evaluator": {**evaluator, "fidelity": "folds"}}) == "mean"
