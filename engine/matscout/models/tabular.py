"""Pipelines by name. All that is fitted sits inside: training rows alone fit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from matscout.errors import InputError, did_you_mean
from matscout.models import estimators, names
from matscout.models import hyperparameters as hyper
from matscout.models.average import AverageClassifier, AverageRegressor
from matscout.models.columns import (
    Columns,
    columns,
    preparation,
    prepared_blocks,
    sampled_preparation,
)
from matscout.models.estimators import (
    ANY,
    COMPOSITE,
    ESTIMATORS,
    MODELS,
    NO_PROBABILITY,
    check_model,
    models_for,
)
from matscout.models.hurdle import RULES, Hurdle
from matscout.models.hyperparameters import (
    DecisionSettings,
    FitSettings,
    MlpSettings,
    PrepareSettings,
    ResampleSettings,
    WeightSettings,
)
from matscout.models.imbalance.cut import RegressAndCut
from matscout.models.imbalance.decide import Decided
from matscout.models.imbalance.inner import fit_beside
from matscout.models.imbalance.resample import Resampler
from matscout.models.metrics import Metric, Task
from matscout.models.network import MlpClassifier, MlpRegressor
from matscout.models.stack import StackClassifier, StackRegressor
from matscout.models.target_transform import TargetTransform, check_target
from matscout.models.uncertainty.belief import Belief
from matscout.models.weighted import weighted

__all__ = [
    "ANY", "ESTIMATORS", "MODELS", "NO_PROBABILITY", "Columns", "belief", "check_belief_target",
    "check_log_target", "check_model", "columns", "fit", "hyperparameter_names", "models_for",
    "pipeline", "predictions", "preparation", "target_transform",
]  # fmt: skip


def hyperparameter_names(model: str, task: Task) -> tuple[str, ...]:
    """All that may be set in params for that model: ours, and those of its estimator. With the model
    `any`: `model`, the shared ones, and MODEL.NAME for every model of that task.
    """
    if model == "mlp":  # trained epoch by epoch: nothing stands around the network
        return hyper.names(PrepareSettings, FitSettings, MlpSettings)
    return names.names_of(model, task)


def pipeline(
    model: str, task: Task, data: Columns, params: Mapping[str, Any], seed: int
) -> BaseEstimator:
    """An unfitted pipeline: preparation, resampling, the estimator with its row weights; the target
    transform, or calibration and threshold, around them.

    Raises InputError for a hyperparameter that does not exist or whose value is refused.
    """
    if model == ANY:
        model, params = names.chosen(params, task)
    hyper.check_names(params, names.names_of(model, task))
    if model in COMPOSITE[task]:
        whole = _of_models(model, task, data, params, seed)
    else:
        whole = _single(model, task, data, params, seed)
    return _decided(whole, params, seed) if task == "classification" else whole


def _single(
    model: str, task: Task, data: Columns, params: Mapping[str, Any], seed: int
) -> BaseEstimator:
    settings = hyper.settings(PrepareSettings, params)
    if model == "transfer":  # its expert knows only what it was trained on, unscaled
        settings = replace(settings, scaler="none")
    core = _estimator(model, task, data, params, seed)
    if task == "classification":
        how = hyper.settings(ResampleSettings, params)
        if how.resample == "none":
            return Pipeline([("prepare", preparation(data, settings)), ("model", core)])
        sampler = Resampler(
            how.resample, how.resample_neighbors, how.resample_ratio, random_state=seed
        )
        steps: list[tuple[str, Any]] = [
            ("prepare", preparation(data, settings)),
            ("resample", sampler),
        ]
        if how.resample == "smotenc":
            steps = sampled_preparation(data, settings, sampler)
        return SamplingPipeline([*steps, ("model", core)])
    whole = Pipeline([("prepare", preparation(data, settings)), ("model", core)])
    transform = target_transform(model, task, settings)
    if transform == "none":
        return whole
    return TransformedTargetRegressor(
        whole, transformer=TargetTransform(transform), check_inverse=False
    )


def _estimator(
    model: str, task: Task, data: Columns, params: Mapping[str, Any], seed: int
) -> BaseEstimator:
    ours = names.shared(task)
    if model == "mlp":
        own = {k: v for k, v in params.items() if k not in ours or k in names.WEIGHTS}
        hyper.settings(FitSettings, own)
        hyper.settings(MlpSettings, own)
        network = MlpRegressor if task == "regression" else MlpClassifier
        return network(own, random_state=seed)
    own = {k: v for k, v in params.items() if k not in ours}
    made = estimators.estimator(model, task, own, seed)
    if model in ("block_gaussian_process", "transfer"):
        made.set_params(blocks=prepared_blocks(data, hyper.settings(PrepareSettings, params)))
    rows = hyper.settings(WeightSettings, params)
    return weighted(made, model, rows.weights, rows.weight_bins, classes=task == "classification")


def _of_models(
    model: str, task: Task, data: Columns, params: Mapping[str, Any], seed: int
) -> BaseEstimator:
    def inner(head: str, name: str, kind: Task) -> BaseEstimator:
        given = names.inherited(params, head, names.names_of(name, kind))
        none = given.get("calibrate", "none") == "none"
        if kind == "classification" and name in NO_PROBABILITY and none:
            given["calibrate"] = "sigmoid"  # as in `names.chosen`
        return pipeline(name, kind, data, given, seed)

    if model in names.OF_MEMBERS:
        some = [inner(name, name, task) for name in names.members(params, task)]
        if model == "average":
            return AverageRegressor(some) if task == "regression" else AverageClassifier(some)
        folds = hyper.settings(DecisionSettings, params).inner_folds
        stack = StackRegressor if task == "regression" else StackClassifier
        return stack(some, folds, random_state=seed)
    regressor = inner("regressor", str(params.get("regressor", "extra_trees")), "regression")
    if model == "regress_and_cut":
        folds = hyper.settings(DecisionSettings, params).inner_folds
        return RegressAndCut(regressor, folds, random_state=seed)
    classifier = inner("classifier", str(params.get("classifier", "extra_trees")), "classification")
    combine, least = params.get("combine", "gate"), params.get("least", 0.05)
    if combine not in RULES:
        mend = did_you_mean(str(combine), RULES)
        raise InputError("params.combine", f"{combine!r} is not a choice", mend)
    gate_at = float(params.get("gate_at", 0.5))
    if not 0.0 < gate_at < 1.0:
        raise InputError("params.gate_at", f"0 < value < 1 must hold, but got {gate_at!r}")
    return Hurdle(classifier, regressor, combine, float(least), gate_at)


def _decided(whole: BaseEstimator, params: Mapping[str, Any], seed: int) -> BaseEstimator:
    how = hyper.settings(DecisionSettings, params)
    costs = params.get("costs")
    if how.calibrate == "none" and how.threshold == "half" and costs is None:
        return whole
    return Decided(
        whole, how.calibrate, how.threshold, how.threshold_metric, how.miss_cost, costs,
        how.inner_folds, random_state=seed,
    )  # fmt: skip


def target_transform(model: str, task: Task, settings: PrepareSettings) -> str:
    """none, or one of TRANSFORMS; what `auto` means for that model."""
    if task == "classification":
        return "none"
    if settings.target_transform == "auto":
        return "standard" if model in ("svm", "mlp") else "none"
    return settings.target_transform


def check_belief_target(transform: object) -> None:
    """InputError for a transform under which a model's mean and sd are not those of the target."""
    if transform not in ("auto", "none"):
        what = "a metric that judges the stated uncertainty needs the target as it is"
        raise InputError("params.target_transform", f"{transform!r}: {what}", "leave it out")


def check_log_target(y: np.ndarray) -> None:
    """InputError where log1p of a target does not exist."""
    check_target("log1p", y)


def predictions(fitted: Any, x: np.ndarray, metric: Metric) -> np.ndarray:
    """What `metric` sees, (n,): values, labels, or a score for the positive class; or beliefs, (n, 2),
    of a pipeline of one of `metrics.BELIEVING` whose target is not transformed.
    """
    if metric.sees == "belief":
        said = belief(fitted, x)
        assert said is not None
        return np.column_stack([said.mean, said.sd])
    if metric.sees != "score":
        return np.asarray(fitted.predict(x), dtype=float)
    if hasattr(fitted, "predict_proba"):
        return np.asarray(fitted.predict_proba(x)[:, 1], dtype=float)
    return np.asarray(fitted.decision_function(x), dtype=float)


def belief(fitted: Any, x: np.ndarray) -> Belief | None:
    """What the model of a fitted pipeline states of the inputs (n, d); None where it states nothing, or
    its mean and sd are not those of the target itself, which was transformed."""
    if not isinstance(fitted, Pipeline) or not hasattr(fitted[-1], "believe"):
        return None
    said: Belief = fitted[-1].believe(fitted[:-1].transform(x))
    return said


def fit(
    pipe: Any,
    x: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray | None = None,
    amounts: np.ndarray | None = None,
) -> Any:
    """`pipe` fitted on training rows alone. A value that scikit-learn refuses is an InputError.

    For classes: `groups` (n,) are kept whole by inner folds; `amounts` (n,) are the numbers that the
    labels were cut from, which `regress_and_cut` learns.
    """
    try:
        return fit_beside(pipe, x, y, groups, amounts)
    except ValueError as error:
        if type(error).__name__ != "InvalidParameterError":  # a private class, a public name
            raise
        raise InputError("params", f"{error!s:.300}", "see scikit-learn's page on it") from None
