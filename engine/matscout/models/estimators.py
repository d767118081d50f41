"""Models by name: the estimator of each for numbers and for classes, with its own hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from imblearn import ensemble as balanced
from sklearn import dummy, ensemble, linear_model, svm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.tree import DecisionTreeClassifier

from matscout.errors import InputError, did_you_mean
from matscout.models.block_matern import BlockMaternClassifier, BlockMaternRegressor
from matscout.models.boosting import LightGbmClassifier, LightGbmRegressor
from matscout.models.imbalance.resample import Resampler
from matscout.models.imbalance.rusboost import RusBoost
from matscout.models.linear import RidgeLogistic
from matscout.models.matern import MaternClassifier, MaternRegressor
from matscout.models.metrics import Task
from matscout.models.transfer_regressor import TransferRegressor
from matscout.models.uncertainty.estimator import UncertainRegressor

ESTIMATORS: dict[str, tuple[type[BaseEstimator], type[BaseEstimator]]] = {
    "linear": (linear_model.Ridge, RidgeLogistic),
    "ridge": (linear_model.Ridge, linear_model.RidgeClassifier),
    "random_forest": (ensemble.RandomForestRegressor, ensemble.RandomForestClassifier),
    "extra_trees": (ensemble.ExtraTreesRegressor, ensemble.ExtraTreesClassifier),
    "hist_gradient_boosting": (
        ensemble.HistGradientBoostingRegressor,
        ensemble.HistGradientBoostingClassifier,
    ),
    "lightgbm": (LightGbmRegressor, LightGbmClassifier),
    "svm": (svm.SVR, svm.SVC),
    "gaussian_process": (MaternRegressor, MaternClassifier),
    "block_gaussian_process": (BlockMaternRegressor, BlockMaternClassifier),
}
"""For regression and classification. `linear` is ridge or logistic regression, and has probabilities;
`ridge` is scikit-learn's RidgeClassifier, and has none."""

NUMBERS: dict[str, type[BaseEstimator]] = {
    "uncertain": UncertainRegressor,
    "transfer": TransferRegressor,
}
"""For regression alone."""

BLIND = {"dummy": (dummy.DummyRegressor, dummy.DummyClassifier)}
"""Sees the targets alone: the mean, or the shares of the classes."""


class SmoteBagging(ClassifierMixin, BaseEstimator):
    """Bagged trees, each on a bootstrap that SMOTE has balanced. S. Wang & X. Yao, CIDM 2009; of their
    rates of resampling, 100 %: equal classes in every bag. A bag with few rare rows takes fewer
    neighbours, and repeats a rare row that is alone.
    """

    def __init__(
        self,
        n_estimators: int = 50,
        neighbors: int = 5,
        max_depth: int | None = None,
        max_features: float = 1.0,
        random_state: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.neighbors = neighbors
        self.max_depth = max_depth
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, x: np.ndarray, y: np.ndarray) -> SmoteBagging:
        self.model_ = balanced.BalancedBaggingClassifier(
            DecisionTreeClassifier(max_depth=self.max_depth, max_features=self.max_features),
            n_estimators=self.n_estimators,
            sampler=Resampler("smote", self.neighbors, strict=False),
            random_state=self.random_state,
            n_jobs=1,
        ).fit(x, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, k)."""
        return np.asarray(self.model_.predict_proba(x))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict(x))


BALANCED: dict[str, type[BaseEstimator]] = {
    "balanced_random_forest": balanced.BalancedRandomForestClassifier,
    "rusboost": RusBoost,
    "easy_ensemble": balanced.EasyEnsembleClassifier,
    "smote_bagging": SmoteBagging,
}
"""Ensembles for classes whose every member sees a balanced part of the rows. C. Chen, A. Liaw &
L. Breiman, Berkeley report 666 (2004); C. Seiffert et al., IEEE Trans. SMC A 40, 185 (2010); X.-Y.
Liu, J. Wu & Z.-H. Zhou, IEEE Trans. SMC B 39, 539 (2009)."""

COMPOSITE: dict[Task, tuple[str, ...]] = {
    "regression": ("hurdle", "average", "stack"),
    "classification": ("regress_and_cut", "average", "stack"),
}
"""Models of models, by name too."""

MODELS = (*ESTIMATORS, "mlp")
"""Single models for regression and classification both. `mlp` is the torch network of models/mlp.py."""

ANY = "any"
"""The model is itself a hyperparameter, `model`, and those of a model are written MODEL.NAME."""

NO_PROBABILITY = ("ridge", "svm")
"""Their scores of a class rank it, and are no probabilities."""

OURS = frozenset({"random_state", "n_jobs", "verbose", "warm_start", "estimator", "blocks"})
"""Set here, not by a space."""


def models_for(task: Task) -> tuple[str, ...]:
    """All models by name that can learn that task."""
    only = tuple(BALANCED if task == "classification" else NUMBERS)
    return (*MODELS, *BLIND, *only, *COMPOSITE[task])


def check_model(model: str) -> None:
    """InputError where no model has that name."""
    composite = dict.fromkeys(name for some in COMPOSITE.values() for name in some)
    known = (*MODELS, *BLIND, *BALANCED, *NUMBERS, *composite, ANY)
    if model not in known:
        raise InputError("model", f"no model is called '{model}'", did_you_mean(model, known))


def check_task(model: str, task: Task, where: str = "model") -> None:
    """InputError where no model has that name, or it cannot learn that task."""
    known = models_for(task)
    if model not in known:
        try:
            check_model(model)
        except InputError as error:
            raise InputError(where, error.what, did_you_mean(model, known)) from None
        other = "numbers" if task == "classification" else "classes"
        raise InputError(where, f"{model} is for {other}", f"for {task}: {', '.join(known)}")


def own_names(model: str, task: Task) -> tuple[str, ...]:
    """The hyperparameters of a single model's estimator (not of mlp)."""
    return tuple(sorted(_made(model, task).get_params(deep=False).keys() - OURS))


def estimator(model: str, task: Task, params: Mapping[str, Any], seed: int) -> BaseEstimator:
    """A single model (not mlp), unfitted. A space has no null: the word "none" stands for it
    (max_depth, max_features, class_weight).
    """
    made = _made(model, task)
    given = {name: None if value == "none" else value for name, value in params.items()}
    known = made.get_params(deep=False)
    fixed = {"random_state": seed, "n_jobs": 1}
    made.set_params(**given, **{k: v for k, v in fixed.items() if k in known})
    return made


def _made(model: str, task: Task) -> BaseEstimator:
    check_task(model, task)
    if model in BALANCED or model in NUMBERS:
        return {**BALANCED, **NUMBERS}[model]()
    return {**ESTIMATORS, **BLIND}[model][0 if task == "regression" else 1]()
