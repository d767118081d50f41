"""A metric keeps its meaning: folds of one row or of one class are judged only where they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_options import check_folds
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models.metrics import METRICS, Metric
from matscout.trial import Measurement

N = 100
LABELS = ("balanced_accuracy", "f1_macro", "g_mean", "mcc")


def rare(folder: Path, positive: int = 6) -> Path:
    """100 rows, few of them positive, in five clusters; a day of every row."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, 2)) + 20.0 * (np.arange(N) % 5)[:, None]
    hits = set(rng.permutation(N)[:positive].tolist())
    rows = [
        f"{a!r},{b!r},{k},{'yes' if k in hits else 'no'}" for k, (a, b) in enumerate(x.tolist())
    ]
    path = folder / "rare.csv"
    path.write_text("\n".join(["a,b,day,hit", *rows]) + "\n")
    return path


def trainer(path: Path, **options: Any) -> TabularTrainer:
    given = {"inputs": ("a", "b"), "model": "dummy", "task": "classification", **options}
    return TabularTrainer(table=path, predict="hit", **given)


@pytest.mark.parametrize("objective", ["split", "cv", "loco", "time"])
def test_a_dummy_has_a_balanced_accuracy_of_one_half_or_none(
    objective: str, tmp_path: Path
) -> None:
    """It said 0.6 or 0.8 where a fold had no positive row: of one class it is the accuracy."""
    path, said = rare(tmp_path), []
    more: dict[str, Any] = {"time": "day"} if objective == "time" else {}
    for seed in range(4):
        for metric in LABELS:
            one = trainer(
                path, objective=objective, metric=metric, split_seed=seed, repeats=1, **more
            )
            try:
                data = one.data
            except InputError as error:
                said.append(str(error))
                continue
            classes = [np.unique(data.table.target[judge]).size for _, judge in data.folds]
            assert min(classes) == 2
            if metric == "balanced_accuracy":
                assert data.plan.value(data.dummies) == pytest.approx(0.5)
    mend = "use split = 'stratified', or fewer folds"
    mend = mend if objective in ("split", "cv") else "use accuracy, or fewer folds"
    assert said and all(line.endswith(mend) and "one class only" in line for line in said)
    assert len(trainer(path, objective=objective, metric="accuracy", **more).data.folds) > 2


def test_stratified_folds_have_both_classes(tmp_path: Path) -> None:
    one = trainer(rare(tmp_path), split="stratified")
    assert one.data.plan.value(one.data.dummies) == pytest.approx(0.5)


def test_a_metric_beside_the_first_is_refused_before_the_run(tmp_path: Path) -> None:
    """It was NaN in every trial. A run that began with it goes on."""
    one = trainer(rare(tmp_path), metric="accuracy", also=("roc_auc",))
    with pytest.raises(InputError, match=r"trainer.also: split: fold .* judge by 'roc_auc'"):
        one.check([])
    *_, last = one.evaluate({}, Context())
    assert isinstance(last, Measurement) and last.values["accuracy"] == pytest.approx(0.94)
    trainer(rare(tmp_path), metric="accuracy", also=("roc_auc",), split="stratified").check([])


@pytest.mark.parametrize("name", ["precision_at_13", "discovery_yield_at_40"])
def test_a_metric_of_more_rows_than_a_fold_judges_is_refused_before_the_run(
    name: str, tmp_path: Path
) -> None:
    """Of twelve rows the first thirteen are all of them, whatever the model says."""
    path = tmp_path / "t.csv"
    path.write_text("a,kind\n" + "".join(f"{k},{'pq'[k % 2]}\n" for k in range(60)))

    def one(**more: Any) -> TabularTrainer:
        given = {"task": "classification", "model": "linear", "split": "stratified", **more}
        return TabularTrainer(table=path, predict="kind", **given)

    line = f"trainer.metric: '{name}' looks at .* rows, and fold 0 judges 12; take a smaller"
    with pytest.raises(InputError, match=line):
        one(metric=name).check([])
    with pytest.raises(InputError, match=f"trainer.also: {line}"):
        one(metric="accuracy", also=(name,)).check([])
    *_, last = one(metric=name).evaluate({}, Context())
    assert isinstance(last, Measurement)
    fits = one(metric=name.replace("13", "12").replace("40", "12"))
    fits.check([])
    assert fits.reported()[fits.metric] == "max"


def example(metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    if metric.task == "classification":
        truth = rng.integers(0, 2, 30)
        said = rng.random(30)
        return truth, (said > 0.4).astype(int) if metric.sees == "label" else said
    truth, said = rng.normal(size=(2, 30))
    return truth, np.column_stack([said, np.ones(30)]) if metric.sees == "belief" else said


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_rows_judged_alone_give_the_metric_of_all_or_are_refused(metric: Metric) -> None:
    """Left out one by one, `rmse` was the mean absolute error, `spearman` 0 and `r2` NaN."""
    truth, said = example(metric)
    rows = np.arange(len(truth))
    alone = [(np.delete(rows, k), rows[k : k + 1]) for k in rows]
    if metric.by_row:
        each = [metric.function(truth[k : k + 1], said[k : k + 1]) for k in rows]
        assert np.mean(each) == pytest.approx(metric.score(truth, said))
    if metric.by_row and metric.sees != "score":
        check_folds(alone, truth, metric)
        return
    with pytest.raises(InputError, match=r"judges one row|has one class only") as caught:
        check_folds(alone, truth, metric)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("also", [False, True])
def test_leave_one_out_is_for_means_over_rows(also: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "t.csv"
    x = rng.normal(size=(12, 2)).tolist()
    path.write_text("a,g,y\n" + "".join(f"{a!r},{k // 2},{b!r}\n" for k, (a, b) in enumerate(x)))

    def one(**more: Any) -> TabularTrainer:
        given = {"inputs": ("a",), "model": "linear", "split": "leave_one_out", **more}
        return TabularTrainer(table=path, predict="y", **given)

    wrong = one(also=("rmse",)) if also else one(metric="rmse")
    with pytest.raises(
        InputError, match=r"fold 0 judges one row, and 'rmse' is of several.*use mae"
    ):
        wrong.check([])
    one().check([])
    one(metric="rmse", group="g").check([])  # each fold judges two rows
    # Pooled errors are those of all rows, however few a fold has.
    one(metric="rmse", objective="robert", repeats=1, split="kfold", folds=12).check([])
