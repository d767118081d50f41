"""Pipelines by name, hyperparameters by name, metrics by name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from matscout.errors import InputError
from matscout.models import hyperparameters as hyper
from matscout.models import tabular
from matscout.models.hyperparameters import CgcnnSettings, FitSettings, MlpSettings, PrepareSettings
from matscout.models.metrics import METRICS, dummy_score, metric
from matscout.models.mlp import Mlp
from matscout.models.objective import Objective
from matscout.models.tabular import Columns

CPU = torch.device("cpu")


def columns(n: int = 60, seed: int = 0) -> tuple[Columns, np.ndarray]:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(5, 3, size=(2, n))
    numbers[0, rng.random(n) < 0.2] = np.nan
    words = rng.choice(["", "bcc", "fcc"], n).astype(object)
    data = tabular.columns({"a": numbers[0], "b": numbers[1]}, {"phase": words})
    y = np.nan_to_num(numbers[0]) + numbers[1] ** 2 + (words == "fcc") * 10.0
    return data, y


@pytest.mark.parametrize("model", list(tabular.ESTIMATORS))
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_every_model_fits_predicts_and_repeats(model: str, task: str) -> None:
    data, y = columns()
    if task == "classification":
        y = (y > np.median(y)).astype(int)
    names = ("rmse",) if task == "regression" else ("balanced_accuracy", "roc_auc")
    for name in names:
        chosen = metric(name, task)
        few = {"n_estimators": 20} if "_trees" in model or "_forest" in model else {}
        guesses = []
        for _ in range(2):
            pipe = tabular.fit(tabular.pipeline(model, task, data, few, 5), data.x[:40], y[:40])
            guesses.append(tabular.predictions(pipe, data.x[40:], chosen))
        assert guesses[0].shape == (20,) and np.array_equal(*guesses)
        better = chosen.score(y[40:], guesses[0]) - dummy_score(chosen, y[:40], y[40:])
        assert better * chosen.sign > 0


def test_columns_keep_missing_cells_for_the_fold_to_fill() -> None:
    data, _ = columns()
    assert data.x.shape == (60, 3) and data.numbers == 2
    assert np.isnan(data.x[:, 0]).any() and np.isnan(data.x[:, 2]).any()


def test_preparation_learns_from_the_rows_it_is_fitted_on() -> None:
    data, _ = columns()
    settings = PrepareSettings(imputer="mean", scaler="standard")
    rows = data.x[:30]
    prepared = tabular.preparation(data, settings).fit(rows)
    numbers = prepared.named_transformers_["numbers"]
    assert np.allclose(numbers["impute"].statistics_, np.nanmean(rows[:, :2], axis=0))
    filled = np.where(np.isnan(rows[:, :2]), numbers["impute"].statistics_, rows[:, :2])
    assert np.allclose(numbers["scale"].mean_, filled.mean(axis=0))
    unseen = np.array([[1.0, 2.0, 99.0]])  # a word that no training row had
    assert (prepared.transform(unseen)[0, 2:] == 0).all()


def test_a_column_missing_from_a_whole_fold_survives() -> None:
    x = np.column_stack([np.full(20, np.nan), np.arange(20.0)])
    pipe = tabular.pipeline("ridge", "regression", Columns(x, 2), {}, 0)
    assert np.isfinite(tabular.fit(pipe, x, np.arange(20.0)).predict(x)).all()


@pytest.mark.parametrize("transform", ["none", "standard", "log1p"])
def test_target_transforms_are_undone(transform: str) -> None:
    data, y = columns()
    params = {"target_transform": transform}
    fitted = tabular.fit(tabular.pipeline("extra_trees", "regression", data, params, 0), data.x, y)
    assert np.abs(fitted.predict(data.x) - y).mean() < 0.5
    objective = Objective("regression", y, np.arange(40), FitSettings(), CPU, transform=transform)
    outputs = objective.goal[:, None]
    assert np.allclose(objective.predictions(outputs, METRICS["mae"]), y, rtol=1e-5, atol=1e-4)
    with pytest.raises(InputError, match="above -1"):
        tabular.check_log_target(np.array([0.0, -2.0]))


def test_an_objective_scales_by_training_rows_and_survives_a_constant() -> None:
    y = np.array([1.0, 3.0, 5.0, 1e9])
    objective = Objective("regression", y, np.arange(3), FitSettings(), CPU)
    assert objective.mean == 3.0 and objective.spread == pytest.approx(np.std([1, 3, 5]))
    flat = Objective("regression", np.ones(4), np.arange(3), FitSettings(), CPU)
    assert flat.spread == 1.0 and torch.equal(flat.goal, torch.zeros(4))


def test_classification_outputs_and_their_nans() -> None:
    y = np.array([0.0, 1.0, 2.0])
    objective = Objective("classification", y, np.arange(3), FitSettings(), CPU, classes=3)
    outputs = torch.tensor([[5.0, 0, 0], [0, float("nan"), 0], [0, 0, 5.0]])
    labels = objective.predictions(outputs, METRICS["accuracy"])
    assert labels[0] == 0 and np.isnan(labels[1]) and labels[2] == 2
    assert np.isnan(METRICS["accuracy"].score(y, labels))
    two = Objective("classification", y[:2], np.arange(2), FitSettings(), CPU, classes=2)
    scores = two.predictions(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), METRICS["roc_auc"])
    assert np.allclose(scores, 1 / (1 + np.exp([-1.0, 2.0])))


@pytest.mark.parametrize(
    ("model", "params", "what"),
    [
        ("extra_tree", {}, "did you mean 'extra_trees'"),
        ("extra_trees", {"n_estimator": 9}, "did you mean 'n_estimators'"),
        ("extra_trees", {"random_state": 9}, "no such hyperparameter"),
        ("extra_trees", {"imputer": "knn"}, "not a choice"),
        ("ridge", {"lr": 0.1}, "no such hyperparameter"),
    ],
)
def test_unknown_names_are_refused(model: str, params: dict, what: str) -> None:
    data, _ = columns()
    with pytest.raises(InputError, match=what):
        tabular.pipeline(model, "regression", data, params, 0)


def test_values_that_scikit_learn_refuses_and_the_word_none() -> None:
    data, y = columns()
    pipe = tabular.pipeline("extra_trees", "regression", data, {"n_estimators": -1}, 0)
    with pytest.raises(InputError, match="n_estimators"):
        tabular.fit(pipe, data.x, y)
    pipe = tabular.pipeline("extra_trees", "regression", data, {"max_features": "none"}, 0)
    assert pipe["model"].get_params()["max_features"] is None


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"lr": "fast"}, "finite number"),
        ({"lr": True}, "finite number"),
        ({"lr": float("nan")}, "finite number"),
        ({"lr": -1.0}, "must hold"),
        ({"batch_size": 2.5}, "whole number"),
        ({"batch_size": 1}, "must hold"),
        ({"optimizer": "adam"}, "did you mean 'adamw'"),
    ],
)
def test_values_out_of_bounds(params: dict, what: str) -> None:
    with pytest.raises(InputError, match=what):
        hyper.settings(FitSettings, params)


def test_settings_take_their_own_fields_and_defaults_are_within_bounds() -> None:
    mixed = {"lr": 1, "batch_size": 16.0, "hidden_layers": 3, "other": "x"}
    found = hyper.settings(FitSettings, mixed)
    assert found.lr == 1.0 and found.batch_size == 16 and type(found.batch_size) is int
    assert hyper.settings(MlpSettings, mixed).hidden_layers == 3
    kinds = (FitSettings, MlpSettings, CgcnnSettings, hyper.GraphSettings, PrepareSettings)
    for kind in kinds:
        default = kind()
        assert hyper.settings(kind, dataclasses.asdict(default)) == default
    for some in (kinds[:2], kinds[0::2]):
        assert len(set(hyper.names(*some))) == len(hyper.names(*some))


def test_metrics_are_what_they_say() -> None:
    rng = np.random.default_rng(1)
    y, guess = rng.normal(size=50), rng.normal(size=50)
    assert METRICS["mae"].score(y, guess) == pytest.approx(np.abs(y - guess).mean())
    assert METRICS["rmse"].score(y, guess) == pytest.approx(np.sqrt(((y - guess) ** 2).mean()))
    worst = np.argsort(y)[-5:]
    assert METRICS["tail_mae"].score(y, guess) == pytest.approx(np.abs(y - guess)[worst].mean())
    labels = (y > 0).astype(float)
    recall = [(guess[labels == k] > 0).mean() for k in (0, 1)]
    found = METRICS["balanced_accuracy"].score(labels, (guess > 0).astype(float))
    assert found == pytest.approx((1 - recall[0] + recall[1]) / 2)
    assert METRICS["roc_auc"].score(labels, guess) == pytest.approx(sk.roc_auc_score(labels, guess))
    for name, chosen in METRICS.items():
        spoilt = guess.copy()
        spoilt[3] = np.nan
        assert np.isnan(chosen.score(labels, spoilt)), name
    assert np.isnan(METRICS["roc_auc"].score(np.ones(50), guess))


def test_metrics_that_do_not_fit_the_task() -> None:
    for name, task, classes, what in (
        ("mea", "regression", 0, "did you mean 'mae'"),
        ("mae", "classification", 2, "is for regression"),
        ("roc_auc", "classification", 3, "needs two classes"),
    ):
        with pytest.raises(InputError, match=what):
            metric(name, task, classes)


def test_dummies() -> None:
    train, truth = np.array([0.0, 0.0, 9.0]), np.array([1.0, 5.0])
    assert dummy_score(METRICS["mae"], train, truth) == 3.0
    assert dummy_score(METRICS["rmse"], train, truth) == pytest.approx(np.sqrt((4 + 4) / 2))
    assert dummy_score(METRICS["accuracy"], np.array([0, 1, 1]), np.array([1, 0, 0, 0])) == 0.25
    assert dummy_score(METRICS["roc_auc"], np.array([0, 1, 1]), np.array([0, 1])) == 0.5


@pytest.mark.parametrize("activation", ["silu", "relu", "tanh"])
def test_mlp_shapes(activation: str) -> None:
    net = Mlp(4, 3, MlpSettings(hidden_features=5, hidden_layers=2, activation=activation))
    assert net(torch.zeros(7, 4)).shape == (7, 3)
    assert sum(isinstance(layer, torch.nn.Linear) for layer in net.layers) == 3
