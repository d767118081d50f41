"""What three models that nobody tuned score on the same folds: no sweep is worth less than these."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from matscout.models import tabular
from matscout.models.hyperparameters import PrepareSettings

if TYPE_CHECKING:
    from matscout.evaluate.tabular_data import TabularData

MOST = 200_000
"""Rows times folds up to which a forest is grown: it is meant for small tables, and takes as long as
a trial or two."""


def baselines(data: TabularData, jobs: int = 1) -> dict[str, Any]:
    """The objective, its SEM and the folds' scores of `dummy` (median, mean or commonest class),
    `linear` (ridge or logistic regression) and `random forest` (100 trees), each with
    scikit-learn's own settings, fitted inside each training fold; where a stated uncertainty is
    judged, of the dummy (mean and sd) alone. JSON, and a function of the data and folds alone;
    `jobs` cores grow the forest.

    `ratio` is the mean share of judging to training rows, `ends` how many of the first folds are
    end folds of a sorted CV.
    """
    models = {"dummy": _entry(data, data.dummies, _constants(data))}
    for name, estimator in _estimators(data, jobs):
        scores, guesses = [], []
        for train, judge in data.folds:
            x, y = data.columns.x, _labels(data)
            pipe = Pipeline(
                [
                    ("prepare", tabular.preparation(data.columns, PrepareSettings())),
                    ("model", clone(estimator)),
                ]
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted = pipe.fit(x[train], y[train])
            if "n_jobs" in estimator.get_params():  # in parallel its trees are summed in any order
                fitted.set_params(model__n_jobs=None)
            guess = tabular.predictions(fitted, x[judge], data.metric)
            scores.append(data.metric.score(data.table.target[judge], guess))
            guesses.append(guess)
        models[name] = _entry(data, scores, guesses)
    return {
        "metric": data.metric.name,
        "ends": data.plan.ends,
        "ratio": float(np.mean([len(judge) / len(train) for train, judge in data.folds])),
        "models": models,
    }


def names(data: TabularData) -> tuple[str, ...]:
    """Of the models that `baselines` measures."""
    return ("dummy", *(name for name, _ in _estimators(data, 1)))


def _estimators(data: TabularData, jobs: int) -> Iterator[tuple[str, BaseEstimator]]:
    numbers = data.metric.task == "regression"
    if data.metric.sees == "belief":  # neither states an uncertainty
        return
    yield "linear", Ridge() if numbers else LogisticRegression(max_iter=1000)
    if len(data.table) * len(data.folds) <= MOST:
        forest = RandomForestRegressor if numbers else RandomForestClassifier
        yield "random forest", forest(random_state=0, n_jobs=jobs)


def _labels(data: TabularData) -> np.ndarray:
    y = data.table.target
    return y if data.metric.task == "regression" else y.astype(np.int64)


def _constants(data: TabularData) -> list[np.ndarray]:
    """Only the end folds of a sorted CV ask for a baseline's predictions, and these are numbers."""
    y = data.table.target
    middle = np.median if data.metric.name == "mae" else np.mean
    return [np.full(len(judge), middle(y[train])) for train, judge in data.folds]


def _entry(data: TabularData, scores: list[float], guesses: list[np.ndarray]) -> dict[str, Any]:
    truths = [data.table.target[judge] for _, judge in data.folds]
    value, sem = data.plan.value(scores), data.plan.sem(scores, truths, guesses)
    return {
        "value": value if math.isfinite(value) else None,
        "sem": sem if math.isfinite(sem) else None,
        "scores": [score if math.isfinite(score) else None for score in scores],
    }
