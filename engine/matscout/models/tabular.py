"""Scikit-learn pipelines by name. All that is fitted sits inside: training rows alone fit it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import ensemble, linear_model, svm
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

from matscout.errors import InputError, did_you_mean
from matscout.models import hyperparameters as hyper
from matscout.models.hyperparameters import PrepareSettings
from matscout.models.matern import MaternClassifier, MaternRegressor
from matscout.models.metrics import Metric, Task

ESTIMATORS: dict[str, tuple[type[BaseEstimator], type[BaseEstimator]]] = {
    "ridge": (linear_model.Ridge, linear_model.RidgeClassifier),
    "random_forest": (ensemble.RandomForestRegressor, ensemble.RandomForestClassifier),
    "extra_trees": (ensemble.ExtraTreesRegressor, ensemble.ExtraTreesClassifier),
    "hist_gradient_boosting": (
        ensemble.HistGradientBoostingRegressor,
        ensemble.HistGradientBoostingClassifier,
    ),
    "svm": (svm.SVR, svm.SVC),
    "gaussian_process": (MaternRegressor, MaternClassifier),
}
MODELS = (*ESTIMATORS, "mlp")
"""For regression and classification both. `mlp` is the torch network of models/mlp.py."""

NO_PROBABILITY = ("ridge", "svm")
"""Their scores of a class rank it, and are no probabilities."""

MAX_CATEGORIES = 64
"""Columns that one column of words may become; rarer words share the last. A column of formulas
would otherwise become as many columns as there are rows."""

_OURS = frozenset({"random_state", "n_jobs", "verbose", "warm_start"})
_SCALERS: dict[str, Callable[[], Any]] = {"standard": StandardScaler, "robust": RobustScaler}


@dataclass(frozen=True)
class Columns:
    """`x` (n, d): `numbers` columns of numbers first, then words as codes; NaN where missing."""

    x: np.ndarray
    numbers: int


def columns(numeric: Mapping[str, np.ndarray], words: Mapping[str, np.ndarray]) -> Columns:
    """Inputs side by side. Codes only rename words, "" (missing) becomes NaN; nothing is fitted."""
    parts = [np.asarray(values, dtype=float) for values in numeric.values()]
    for values in words.values():
        codes = np.unique(values.astype(str), return_inverse=True)[1].astype(float)
        codes[values == ""] = np.nan
        parts.append(codes)
    return Columns(np.column_stack(parts), len(numeric))


def check_model(model: str) -> None:
    """InputError where no model has that name."""
    if model not in MODELS:
        raise InputError("model", f"no model is called '{model}'", did_you_mean(model, MODELS))


def hyperparameter_names(model: str, task: Task) -> tuple[str, ...]:
    """All that may be set in params for that model: ours, and those of scikit-learn's estimator."""
    if model == "mlp":
        return hyper.names(PrepareSettings, hyper.FitSettings, hyper.MlpSettings)
    own = sorted(_estimator(model, task, {}, 0).get_params().keys() - _OURS)
    return (*hyper.names(PrepareSettings), *own)


def preparation(data: Columns, settings: PrepareSettings) -> ColumnTransformer:
    """Impute and scale the numbers, one-hot the words (a missing word is a word of its own)."""
    steps: list[tuple[str, Any]] = [
        ("impute", SimpleImputer(strategy=settings.imputer, keep_empty_features=True))
    ]
    if settings.scaler != "none":
        steps.append(("scale", _SCALERS[settings.scaler]()))
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False
    )
    width = data.x.shape[1]
    return ColumnTransformer(
        [
            ("numbers", Pipeline(steps), list(range(data.numbers))),
            ("words", one_hot, list(range(data.numbers, width))),
        ]
    )


def pipeline(
    model: str, task: Task, data: Columns, params: Mapping[str, Any], seed: int
) -> BaseEstimator:
    """An unfitted pipeline: preparation, then the estimator, target transform around both.

    Raises InputError for a hyperparameter that does not exist or whose value is refused.
    """
    hyper.check_names(params, hyperparameter_names(model, task))
    settings = hyper.settings(PrepareSettings, params)
    own = {k: v for k, v in params.items() if k not in hyper.names(PrepareSettings)}
    whole = Pipeline(
        [("prepare", preparation(data, settings)), ("model", _estimator(model, task, own, seed))]
    )
    transform = target_transform(model, task, settings)
    if transform == "standard":
        return TransformedTargetRegressor(whole, transformer=StandardScaler())
    if transform == "log1p":
        return TransformedTargetRegressor(
            whole, func=np.log1p, inverse_func=np.expm1, check_inverse=False
        )
    return whole


def target_transform(model: str, task: Task, settings: PrepareSettings) -> str:
    """none, standard or log1p; what `auto` means for that model."""
    if task == "classification":
        return "none"
    if settings.target_transform == "auto":
        return "standard" if model in ("svm", "mlp") else "none"
    return settings.target_transform


def check_log_target(y: np.ndarray) -> None:
    """InputError where log1p of a target does not exist."""
    if y.min() <= -1:
        raise InputError(
            "params.target_transform", f"log1p needs targets above -1, got {y.min():g}", "standard"
        )


def predictions(fitted: Any, x: np.ndarray, metric: Metric) -> np.ndarray:
    """What `metric` sees, (n,): values, labels, or a score for the positive class."""
    if metric.sees != "score":
        return np.asarray(fitted.predict(x), dtype=float)
    if hasattr(fitted, "predict_proba"):
        return np.asarray(fitted.predict_proba(x)[:, 1], dtype=float)
    return np.asarray(fitted.decision_function(x), dtype=float)


def fit(pipe: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """`pipe` fitted on training rows alone. A value that scikit-learn refuses is an InputError."""
    try:
        return pipe.fit(x, y)
    except ValueError as error:
        if type(error).__name__ != "InvalidParameterError":  # a private class, a public name
            raise
        raise InputError("params", f"{error!s:.300}", "see scikit-learn's page on it") from None


def _estimator(model: str, task: Task, params: Mapping[str, Any], seed: int) -> BaseEstimator:
    check_model(model)
    kind = ESTIMATORS[model][0 if task == "regression" else 1]
    estimator = kind()
    # A space has no null: the word stands for it (max_depth, max_features, class_weight).
    given = {name: None if value == "none" else value for name, value in params.items()}
    fixed = {"random_state": seed, "n_jobs": 1}
    known = estimator.get_params()
    estimator.set_params(**given, **{k: v for k, v in fixed.items() if k in known})
    return estimator
