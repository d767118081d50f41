"""`matscout bench imbalance` on made-up ceramics: whole formulas, paired intervals, a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.cli.bench.imbalance import tables
from matscout.cli.bench.imbalance.arms import ARMS, arms_named
from matscout.cli.bench.imbalance.figures import paired
from matscout.errors import InputError
from matscout.models import tabular

Matscout = Callable[..., Any]


def ceramics(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for boron in rng.uniform(0.05, 0.95, size=50).tolist():
        for load in (0.5, 1.0):
            hardness = 15 + 35 * boron - load + rng.normal()
            rows.append(f"B{boron:.4f}W{1 - boron:.4f},{hardness:.2f},{load}")
    path = folder / "hardness" / "hv_comp_load.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(["composition,hardness,load", *rows]) + "\n")
    return folder


def test_the_page_says_who_helped(tmp_path: Path, matscout: Matscout) -> None:
    data, out = ceramics(tmp_path), tmp_path / "rare.json"
    words = ["bench", "imbalance", "--data", str(data), "--tables", "hardness", "--seeds", "1"]
    arms = ["--arms", "boosting balanced weights,boosting smote"]
    done = matscout(*words, *arms, "--out", str(out))
    assert done.code == 0 and "| boosting smote |" in done.out
    table = json.loads(out.read_text())["tables"]["hardness"]
    assert list(table["arms"]) == ["boosting plain", "boosting balanced weights", "boosting smote"]
    assert table["rows"] == 100 and table["groups"] == 50 and table["folds"] == 5
    assert table["arms"]["boosting plain"]["pr_auc"]["mean"] > 0.7
    page = matscout("bench", "imbalance", "--render", str(out)).out
    assert page.strip() == done.out.strip()
    assert matscout("bench", "imbalance", "--data", str(data), "--tables", "hardnes").code == 2
    assert "there already" in matscout(*words, *arms, "--out", str(out), "--merge").err


def test_formulas_are_whole_and_folds_have_positives(tmp_path: Path) -> None:
    rows = tables.read("hardness", ceramics(tmp_path))
    assert np.array_equal(rows.y == 1, rows.amounts > 40) and rows.y.sum() > 10
    for train, judge in tables.folds(rows, 5, 0):
        assert not set(rows.groups[train]) & set(rows.groups[judge])
        assert rows.y[judge].sum() > 0


def test_every_arm_is_a_pipeline_that_a_sweep_knows() -> None:
    data = tabular.Columns(np.zeros((6, 2)), 2)
    for arm in ARMS:
        tabular.pipeline(arm.model, "classification", data, arm.params, 0)
        assert arm.plain in {other.name for other in ARMS}
    assert len({arm.name for arm in ARMS}) == len(ARMS)
    picked = [arm.name for arm in arms_named("network focal, forest smote")]
    assert picked == ["forest plain", "forest smote", "network plain", "network focal"]
    with pytest.raises(InputError, match="did you mean 'forest smote'"):
        arms_named("forest smot")


def test_intervals_allow_for_shared_training_rows() -> None:
    values = np.array([0.1, 0.2, 0.15, 0.12, 0.18])
    found = paired(values, 0.25)
    error = np.sqrt((1 / 5 + 0.25) * values.var(ddof=1))
    assert found["ci95"] == pytest.approx([0.15 - 2.776 * error, 0.15 + 2.776 * error], rel=1e-3)
    assert found["verdict"] == "better" and paired(values, 0.25, -1.0)["verdict"] == "worse"
    assert paired(np.zeros(5), 0.25)["verdict"] == "tie"
    assert paired(values[:1], 0.25)["verdict"] == "not known"
