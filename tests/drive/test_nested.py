"""Nested cross-validation: hidden rows are hidden, and the honest score is scikit-learn's."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matscout.cli.nested import lines
from matscout.drive.nested import OuterFold, judge_outside, nested
from matscout.errors import InputError, RunFailed
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import Measurement, Target

N = 30


def table(folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, 2))
    y = x @ [2.0, 1.0] + rng.normal(size=N)
    path = folder / "t.csv"
    rows = [
        f"{float(a)!r},{float(b)!r},g{k % 10},{float(v)!r}"
        for k, ((a, b), v) in enumerate(zip(x, y, strict=True))
    ]
    path.write_text("\n".join(["a,b,g,y", *rows]) + "\n")
    return path, x, y


def trainer(folder: Path, fold: int, **options: Any) -> TabularTrainer:
    path, _, _ = table(folder)
    given = {"model": "ridge", "inputs": ("a", "b"), "outer_folds": 3, **options}
    return TabularTrainer(table=path, predict="y", outer_fold=fold, **given)


@pytest.mark.parametrize(
    "options", [{}, {"split": "grouped", "group": "g"}, {"objective": "robert"}]
)
def test_every_row_is_hidden_once_and_judges_in_that_fold_alone(
    options: dict[str, Any], tmp_path: Path
) -> None:
    hidden = []
    for fold in range(3):
        inner = trainer(tmp_path, fold, repeats=1, **options)
        judge = trainer(tmp_path, fold, repeats=1, outer_judge=True, **options).data
        ((visible, away),) = judge.folds
        assert inner.data.rows.tolist() == visible.tolist()
        assert not set(visible) & set(away) and len(visible) + len(away) == N
        hidden += away.tolist()
        work = tmp_path / f"work-{fold}"
        list(inner.evaluate({}, Context(workdir=work)))
        with open(work / "predictions.csv", newline="") as file:
            judged = {int(line["row"]) for line in csv.DictReader(file)}
        assert judged == set(visible.tolist())
        if "group" in options:
            assert not {k % 10 for k in visible} & {k % 10 for k in away}
    assert sorted(hidden) == list(range(N))


def test_hidden_rows_move_nothing_inside(tmp_path: Path) -> None:
    one = trainer(tmp_path, 1)
    *_, before = one.evaluate({}, Context())
    path = Path(one.table)
    lines = path.read_text().splitlines()
    for row in set(range(N)) - set(one.data.rows.tolist()):
        lines[row + 1] = "1e9,-1e9,g0,1e9"
    path.write_text("\n".join(lines) + "\n")
    other = TabularTrainer(
        table=path, predict="y", model="ridge", inputs=("a", "b"), outer_folds=3, outer_fold=1
    )
    *_, after = other.evaluate({}, Context())
    assert before == after and other.data.digest == one.data.digest


def history(**values: float) -> History:
    created = {
        "targets": [{"name": "mae", "direction": "min", "unit": ""}],
        "name": "r",
        "kind": "sweep",
    }
    events = [Event(EventKind.CREATED, body=created)]
    for trial, (alpha, value) in enumerate(values.items()):
        params = {"alpha": float(alpha[1:])}
        events += [
            Event(EventKind.ASKED, trial, body={"params": params, "proposer": "gp", "why": {}}),
            Event(EventKind.DISPATCHED, trial, 1),
            Event(EventKind.MEASURED, trial, 1, {"values": {"mae": value}, "cost_s": 1.0}),
        ]
    return History(events)


def test_the_outer_score_is_the_chosen_model_on_hidden_rows(tmp_path: Path) -> None:
    judge = trainer(tmp_path, 2, outer_judge=True)
    _, x, y = table(tmp_path)
    found = judge_outside("run", history(a100=0.9, a3=0.5, a7=0.7), 0, judge)
    ((visible, away),) = judge.data.folds
    for alpha, score in ((3.0, found.outer), (1.0, found.untuned)):
        fitted = make_pipeline(StandardScaler(), Ridge(alpha)).fit(x[visible], y[visible])
        assert score == pytest.approx(np.abs(fitted.predict(x[away]) - y[away]).mean())
    assert found.inner == 0.5 and found.params == {"alpha": 3.0}


def test_a_network_is_judged_outside_too(tmp_path: Path) -> None:
    one = trainer(tmp_path, 0, outer_judge=True, model="mlp", epochs=2)
    *_, last = one.evaluate({}, Context())
    assert isinstance(last, Measurement) and np.isfinite(last.values["mae"])


def test_nothing_chosen_is_a_failure_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="no trial has a value"):
        judge_outside("run", history(), 0, trainer(tmp_path, 0, outer_judge=True))


def test_the_estimate_by_hand() -> None:
    scores = [(1.0, 1.5, 1.6), (0.8, 1.1, 1.0), (0.9, 1.3, 1.7)]
    folds = [OuterFold(f"r{k}", {}, *three) for k, three in enumerate(scores)]
    whole = nested(folds, Target("mae"))
    outer = np.array([1.5, 1.1, 1.3])
    half = student.ppf(0.975, 2) * outer.std(ddof=1) / np.sqrt(3)
    assert whole.outer.mean == pytest.approx(1.3)
    assert whole.outer.high - whole.outer.mean == pytest.approx(half)
    assert whole.optimism is not None
    assert whole.optimism.mean == pytest.approx(0.4)  # an error of 0.9 was claimed, and it is 1.3
    assert whole.gain.mean == pytest.approx(2 / 15)
    upside = nested(folds, Target("r2", "max"))
    assert upside.optimism is not None
    assert upside.optimism.mean == pytest.approx(-0.4)
    assert np.isinf(nested(folds[:1], Target("mae")).outer.high)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"outer_folds": 1}, "must be one of outer_folds"),
        ({"outer_folds": 3, "outer_fold": 3}, "must be one of outer_folds"),
        ({"outer_judge": True}, "there is no outer fold"),
        ({"outer_folds": 99}, "30 rows do not make 99 folds"),
    ],
)
def test_mistakes(options: dict[str, Any], what: str, tmp_path: Path) -> None:
    path, _, _ = table(tmp_path)
    with pytest.raises(InputError, match=what):
        TabularTrainer(table=path, predict="y", inputs=("a", "b"), **options).check([])


def test_choosing_among_noise_is_too_good_inside_and_honest_outside(tmp_path: Path) -> None:
    """A target that nothing predicts: the best of many inner scores promises what no hidden row keeps."""
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.csv"
    rows = [",".join(map(str, [*rng.normal(size=3), rng.choice(["no", "yes"])])) for _ in range(48)]
    path.write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    common: dict[str, Any] = {
        "table": path, "predict": "y", "task": "classification", "metric": "accuracy",
        "model": "extra_trees", "split": "stratified", "outer_folds": 4,
        "folds": 2, "hyperparameters": {"n_estimators": 1},
    }  # fmt: skip
    folds = []
    for fold in range(4):
        inner = TabularTrainer(outer_fold=fold, **common)
        scores = []
        for seed in range(25):
            *_, last = inner.evaluate({}, Context(seed=seed))
            assert isinstance(last, Measurement)
            scores.append(last.values["accuracy"])
        *_, judged = TabularTrainer(outer_fold=fold, outer_judge=True, **common).evaluate(
            {}, Context(seed=int(np.argmax(scores)))
        )
        assert isinstance(judged, Measurement)
        outer = judged.values["accuracy"]
        folds.append(OuterFold(f"r{fold}", {}, max(scores), outer, outer))
    whole = nested(folds, Target("accuracy", "max"))
    assert whole.optimism is not None
    assert whole.inner.mean > 0.6 and whole.optimism.mean > 0.05
    assert whole.outer.low < 0.5 < whole.outer.high


def robert_history() -> History:
    """One trial whose objective is half a worst case."""
    targets = [{"name": "mae", "direction": "min", "unit": ""}]
    values = {"mae": 3.0, "mae.cv": 1.0, "mae.sorted_ends": 5.0}
    return History([
        Event(EventKind.CREATED, body={"targets": targets, "name": "r", "kind": "sweep"}),
        Event(EventKind.ASKED, 0, body={"params": {"alpha": 1.0}, "proposer": "gp", "why": {}}),
        Event(EventKind.DISPATCHED, 0, 1),
        Event(EventKind.MEASURED, 0, 1, {"values": values, "cost_s": 1.0}),
    ])  # fmt: skip


def test_optimism_is_told_only_of_scores_that_ask_the_same(tmp_path: Path) -> None:
    """The inner value of `robert` is half a worst case, and was called too good, or too harsh."""
    judge = trainer(tmp_path, 0, outer_judge=True, objective="robert", repeats=1)
    fold = judge_outside("run", robert_history(), 0, judge)
    assert fold.inner == 3.0 and fold.comparable == 1.0
    whole = nested([fold, fold], Target("mae"))
    assert whole.optimism is not None
    assert whole.optimism.mean == pytest.approx(fold.outer - 1.0)
    assert any("inner from CV alone, 1, was too good by" in s for s in lines(whole, Target("mae")))
    judge = trainer(tmp_path, 0, outer_judge=True, objective="loco", folds=3)
    fold = judge_outside("run", history(a1=0.5), 0, judge)
    whole = nested([fold, fold], Target("mae"))
    said = lines(whole, Target("mae"))
    assert whole.optimism is None and not any("too good by" in line for line in said)
    assert any("inner judges something else" in line for line in said)
    plain = judge_outside("run", history(a1=0.5), 0, trainer(tmp_path, 0, outer_judge=True))
    assert plain.comparable is None and nested([plain], Target("mae")).optimism is not None
