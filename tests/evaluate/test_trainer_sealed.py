"""What is sealed reaches no fold and no fit, however the rows are split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.evaluate.tabular_data import sealed_fold, whole
from matscout.evaluate.trainer_tabular import TabularTrainer


def write(path: Path, y: np.ndarray) -> Path:
    rng = np.random.default_rng(1)
    lines = [f"{a:.4f},g{k // 3},{v!r}" for k, (a, v) in enumerate(zip(rng.normal(size=len(y)), y.tolist(), strict=True))]  # fmt: skip
    path.write_text("\n".join(["a,g,y", *lines]) + "\n")
    return path


SPLITS: list[dict[str, Any]] = [
    {},
    {"split": "grouped", "group": "g"},
    {"split": "stratified", "task": "classification", "cut": 0.0},
]


@pytest.mark.parametrize("more", SPLITS)
def test_targets_of_sealed_rows_change_nothing(tmp_path: Path, more: dict[str, Any]) -> None:
    y = np.random.default_rng(0).normal(size=60)
    given: dict[str, Any] = {
        "predict": "y",
        "inputs": ("a",),
        "sealed": 0.2,
        "model": "ridge",
        **more,
    }
    one = TabularTrainer(table=write(tmp_path / "one.csv", y), **given)
    shown, hidden = sealed_fold(one, whole(one))
    assert sorted([*shown, *hidden]) == list(range(60)) and 9 <= len(hidden) <= 15
    assert np.array_equal(one.data.rows, shown)
    if "group" in more:
        assert not set(shown // 3) & set(hidden // 3)
    if "cut" in more:  # a class is in its share, so only within a class may targets move
        assert abs((y[hidden] > 0).mean() - (y > 0).mean()) < 0.1
        y[hidden] *= 3.0
    else:
        y[hidden] = y[hidden][::-1] * 100
    other = TabularTrainer(table=write(tmp_path / "two.csv", y), **given)
    assert other.data.digest == one.data.digest


def test_outer_folds_are_of_the_visible_rows_and_named_by_the_files(tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", np.arange(50.0))
    hidden: list[int] = []
    for k in range(5):
        given: dict[str, Any] = {"predict": "y", "inputs": ("a",), "sealed": 0.2, "model": "ridge"}
        outer = TabularTrainer(table=table, **given, outer_folds=5, outer_fold=k)
        judge = TabularTrainer(table=table, **given, outer_folds=5, outer_fold=k, outer_judge=True)
        assert len(outer.data.rows) == 32 and len(judge.data.rows) == 40
        assert np.array_equal(outer.data.table.target, outer.data.rows)
        judged = judge.data.rows[judge.data.folds[0][1]].tolist()
        assert not set(judged) & set(outer.data.rows.tolist())
        hidden += judged
    assert len(hidden) == len(set(hidden)) == 40


@pytest.mark.parametrize("share", [-0.1, 0.6, True])
def test_a_share_that_is_none(tmp_path: Path, share: Any) -> None:
    with pytest.raises(InputError, match="share <= 0"):
        TabularTrainer(table=tmp_path / "t.csv", predict="y", sealed=share)
