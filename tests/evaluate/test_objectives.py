"""Objectives for small data: against scikit-learn by hand, fold by fold, and mistakes by name."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.model_selection import KFold, LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matscout.checkpoint import CheckpointStore
from matscout.data.splits import repeats_of
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.objectives import Plan, jackknife, plan
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models.metrics import METRICS
from matscout.trial import Measurement, Report, Target

N = 37
ERRORS = {"mae": mean_absolute_error, "rmse": root_mean_squared_error}


def numbers(n: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, 3)) + 4 * rng.integers(0, 3, size=(n, 1))
    return x, np.exp(x[:, 0] / 4) + x[:, 1] + rng.normal(size=n)


def table(folder: Path, n: int = N, classes: bool = False) -> str:
    x, y = numbers(n)
    path = folder / "t.csv"
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["a", "b", "c", "g", "y"])
        for k in range(n):
            label = "good" if y[k] > np.quantile(y, 0.7) else "poor"
            out.writerow([*map(repr, map(float, x[k])), k // 3, label if classes else y[k]])
    return str(path)


def trainer(folder: Path, **options: Any) -> TabularTrainer:
    given = {"model": "ridge", "inputs": ("a", "b", "c"), "predict": "y", **options}
    classes = given.get("task") == "classification"
    return TabularTrainer(table=table(folder, classes=classes), **given)


def run(one: TabularTrainer, **context: Any) -> tuple[list[float], Measurement]:
    *reports, last = one.evaluate({}, Context(seed=1, **context))
    assert isinstance(last, Measurement) and all(isinstance(r, Report) for r in reports)
    assert [r.step for r in reports] == list(range(1, len(reports) + 1))
    return [r.values[one.target_name] for r in reports], last  # type: ignore[union-attr]


def ridge() -> Any:
    return make_pipeline(StandardScaler(), Ridge())


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_robert_is_half_pooled_repeated_cv_and_half_the_worse_end(
    metric: str, tmp_path: Path
) -> None:
    """ROBERT's recipe by hand: predictions of all repeats pooled; then the rows sorted by target,
    cut into five without shuffling, and the worse of the first and the last.
    """
    x, y = numbers()
    truths, guesses = [], []
    for train, judge in repeats_of("kfold", y, 10, folds=5):
        guesses.append(ridge().fit(x[train], y[train]).predict(x[judge]))
        truths.append(y[judge])
    inter = ERRORS[metric](np.concatenate(truths), np.concatenate(guesses))
    order = np.argsort(y, kind="stable")
    each = []
    for train, judge in KFold(5, shuffle=False).split(order):
        a, b = order[train], order[judge]
        each.append(ERRORS[metric](y[b], ridge().fit(x[a], y[a]).predict(x[b])))
    outer = max(each[0], each[-1])
    one = trainer(tmp_path, objective="robert", metric=metric)
    reports, last = run(one)
    assert last.values[f"{metric}.cv"] == pytest.approx(inter)
    assert last.values[f"{metric}.sorted_ends"] == pytest.approx(outer)
    assert last.values[metric] == pytest.approx((inter + outer) / 2)
    assert len(reports) == 52 and reports[-1] == last.values[metric]
    assert reports[0] == pytest.approx(each[0]) and reports[1] == pytest.approx(outer)
    assert last.sem[metric] > 0


def test_cv_is_the_mean_over_repeats_and_its_sem_counts_folds_once(tmp_path: Path) -> None:
    x, y = numbers()
    one = trainer(tmp_path, objective="cv")
    reports, last = run(one)
    scores = -cross_val_score(ridge(), x, y, cv=one.data.folds, scoring="neg_mean_absolute_error")
    assert len(scores) == 50 and last.values["mae"] == pytest.approx(scores.mean())
    assert reports == pytest.approx(np.cumsum(scores) / np.arange(1, 51))
    assert last.sem["mae"] == pytest.approx(scores.std(ddof=1) / np.sqrt(5))
    assert len({tuple(judge) for _, judge in one.data.folds}) == 50
    for repeat in range(10):
        judged = np.concatenate([j for _, j in one.data.folds[5 * repeat : 5 * repeat + 5]])
        assert sorted(judged) == list(range(N))


def test_loco_is_the_mean_over_clusters(tmp_path: Path) -> None:
    x, y = numbers()
    one = trainer(tmp_path, objective="loco", folds=3)
    _, last = run(one)
    label = np.zeros(N)
    for k, (_, judge) in enumerate(one.data.folds):
        label[judge] = k
    assert len(one.data.folds) == 3 and len(set(label)) == 3
    scores = -cross_val_score(
        ridge(), x, y, cv=LeaveOneGroupOut(), groups=label, scoring="neg_mean_absolute_error"
    )
    assert last.values["mae"] == pytest.approx(scores.mean())
    assert last.sem["mae"] == pytest.approx(scores.std(ddof=1) / np.sqrt(3))


def test_clusters_are_fitted_on_inputs_only(tmp_path: Path) -> None:
    one = trainer(tmp_path, objective="loco", folds=3)
    path = Path(one.table)
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([lines[0], *(f"{row.rsplit(',', 1)[0]},{k}" for k, row in enumerate(lines[1:]))])
    )
    other = TabularTrainer(
        table=path, predict="y", model="ridge", inputs=("a", "b", "c"), objective="loco", folds=3
    )
    assert other.data.table.target[3] != numbers()[1][3]
    for (_, a), (_, b) in zip(one.data.folds, other.data.folds, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("toward", ["high", "low"])
def test_sorted_forward_shows_that_trees_do_not_extrapolate(toward: str, tmp_path: Path) -> None:
    path = tmp_path / "line.csv"
    path.write_text("x,y\n" + "".join(f"{k},{k}\n" for k in range(40)))
    common: dict[str, Any] = {"table": path, "predict": "y", "objective": "sorted", "folds": 4}
    line = run(
        TabularTrainer(model="ridge", toward=toward, hyperparameters={"alpha": 0.001}, **common)
    )
    tree = TabularTrainer(
        model="extra_trees", toward=toward, hyperparameters={"n_estimators": 5}, **common
    )
    _, last = run(tree)
    # A tree says the last value it saw, and the next ten lie 1 to 10 beyond it.
    assert last.values["mae"] == pytest.approx(5.5)
    assert line[1].values["mae"] < 0.1


@pytest.mark.parametrize("objective", ["cv", "robert", "loco", "sorted"])
def test_groups_stay_whole_in_every_objective(objective: str, tmp_path: Path) -> None:
    one = trainer(tmp_path, objective=objective, split="grouped", group="g", folds=3, repeats=2)
    groups = np.arange(N) // 3
    for train, judge in one.data.folds:
        assert not set(groups[train]) & set(groups[judge])
    assert np.isfinite(run(one)[1].values["mae"])


@pytest.mark.parametrize("objective", ["cv", "robert", "loco", "sorted"])
def test_a_trial_cut_short_goes_on_to_the_same_number(objective: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"objective": objective, "folds": 3, "repeats": 2, "breakdown": True}
    one = trainer(tmp_path, **options)
    reports, last = run(one)
    for cut in range(1, len(reports)):
        store, calls = (
            CheckpointStore(tmp_path / f"{objective}-{cut}"),
            iter([False] * cut + [True]),
        )
        begun = list(
            one.evaluate({}, Context(seed=1, checkpoints=store, should_stop=lambda: next(calls)))  # noqa: B023
        )
        assert len(begun) == cut
        *rest, end = one.evaluate({}, Context(seed=1, checkpoints=store))
        assert end == last
        said = [r.values["mae"] for r in rest if isinstance(r, Report)]
        assert said == reports, "all of them again: a dead driver may not have heard the first"


def test_the_network_has_the_objective_in_every_epoch(tmp_path: Path) -> None:
    one = trainer(tmp_path, model="mlp", objective="robert", folds=3, repeats=1, epochs=3)
    reports, last = run(one)
    assert len(reports) == 3 and reports[-1] == last.values["mae"]
    halves = [last.values["mae.cv"], last.values["mae.sorted_ends"]]
    assert last.values["mae"] == pytest.approx(np.mean(halves))


def test_the_same_folds_for_every_trial_and_others_for_another_split_seed(tmp_path: Path) -> None:
    one, same = (trainer(tmp_path, objective="cv", repeats=2) for _ in range(2))
    other = trainer(tmp_path, objective="cv", repeats=2, split_seed=1)
    assert one.data.digest == same.data.digest != other.data.digest
    assert trainer(tmp_path, objective="robert", repeats=2).data.digest != one.data.digest


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.normal(size=(2, 30))
    errors = np.abs(truth - guess)
    wanted = errors.std(ddof=1) / np.sqrt(30)
    assert jackknife(METRICS["mae"], truth, guess) == pytest.approx(wanted)
    assert np.isnan(jackknife(METRICS["mae"], truth[:1], guess[:1]))
    many = rng.normal(size=(2, 1000))
    wanted = np.abs(many[0] - many[1]).std(ddof=1) / np.sqrt(1000)
    assert jackknife(METRICS["mae"], *many) == pytest.approx(wanted, rel=0.3)


def test_a_score_that_is_no_number_has_no_error() -> None:
    y = np.arange(20.0)
    made: Plan = plan(
        "robert", METRICS["mae"], y, y[:, None], kind="kfold", folds=4, repeats=2, fraction=0.2,
        groups=None, classes=False, clusters="kmeans", toward="high", seed=0,
    )  # fmt: skip
    scores = [1.0, 2.0, float("nan")]
    assert np.isnan(made.value(scores)) and np.isnan(made.value([float("nan")]))
    truths = [y[j] for _, j in made.folds[:3]]
    assert np.isnan(made.sem(scores, truths, truths))


@pytest.mark.parametrize("model", ["random_forest", "mlp"])
def test_metrics_beside_the_objective(model: str, tmp_path: Path) -> None:
    also = ("mcc", "balanced_accuracy", "pr_auc", "roc_auc", "brier", "log_loss", "accuracy")
    one = trainer(
        tmp_path, task="classification", metric="f1_macro", split="stratified", folds=3,
        model=model, also=also, breakdown=True, epochs=3,
        hyperparameters={"n_estimators": 10} if model != "mlp" else {},
    )  # fmt: skip
    _, last = run(one)
    assert {*also, "f1_macro", "recall.good", "precision.poor", "f1.good"} <= last.values.keys()
    assert {*also, "f1_macro"} <= last.sem.keys()
    assert 0 <= last.values["brier"] <= 1 and last.values["log_loss"] > 0
    assert one.reported()["brier"] == "min" and one.reported()["recall.good"] == "max"
    assert last.values.keys() <= one.reported().keys()


def test_deciles_beside_the_objective(tmp_path: Path) -> None:
    one = trainer(tmp_path, also=["rmse", "r2"], breakdown=True)
    _, last = run(one)
    assert {"rmse", "r2", "mae.decile_1", "mae.decile_10"} <= last.values.keys()
    assert last.values.keys() <= one.reported().keys() and one.reported()["r2"] == "max"
    plain = run(trainer(tmp_path))[1]
    assert (
        plain.values.keys() == {"mae", "gap_to_dummy"} and plain.values["mae"] == last.values["mae"]
    )


def test_targets_must_be_reported_and_go_the_right_way(tmp_path: Path) -> None:
    one = trainer(tmp_path, also=("r2",), objective="robert", repeats=1)
    one.check_targets([Target("mae"), Target("r2", "max"), Target("mae.cv")])
    for target, what in (
        (Target("rmes"), "does not report it"),
        (Target("mae", "max"), "direction is 'max', but lower is better"),
        (Target("r2", "min"), "use direction = 'max'"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            one.check_targets([target])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"objective": "roberts"}, "did you mean 'robert'"),
        ({"objective": "robert", "metric": "r2"}, "made of errors, not of 'r2'; use rmse or mae"),
        ({"objective": "robert", "task": "classification"}, "sorts by a number"),
        ({"objective": "sorted", "task": "classification"}, "sorts by a number"),
        ({"objective": "loco", "split": "holdout"}, "draws its own folds"),
        ({"objective": "loco", "folds": 20}, "do not make 20 clusters"),
        ({"objective": "loco", "clusters": "kmean"}, "did you mean 'kmeans'"),
        ({"objective": "sorted", "toward": "up"}, "known here: high, low"),
        ({"objective": "cv", "repeats": -1}, "trainer.repeats"),
        ({"also": ("mea",)}, "did you mean 'mae'"),
        ({"also": ("pr_auc",)}, "is for classification"),
        ({"task": "classification", "metric": "brier"}, "needs probabilities, and ridge has none"),
    ],
)
def test_mistakes_are_one_line(options: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=what) as caught:
        trainer(tmp_path, **options).check([])
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2
