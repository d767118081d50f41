"""Scores by name: what they need to see, and which way is better."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from scipy.stats import rankdata
from sklearn import metrics as sk

from matscout.errors import InputError, did_you_mean
from matscout.models.belief_scores import coverage_error, crps, miscalibration_area, nll
from matscout.models.reliability import expected_calibration_error
from matscout.models.screening import discovery_yield, precision_at

Task = Literal["regression", "classification"]


@dataclass(frozen=True)
class Metric:
    """`sees` says what `score` compares the truth with: a value, a label, or a score (n,) that is
    larger for the positive class; with `probability` the score must be that class's probability. Or
    a belief, (n, 2): the mean and the sd of a measurement, in the target's unit. `by_row`: the score
    of several rows is the mean of what each scores alone, so that one row or one class may be judged.
    `first`: how many rows of the highest score it looks at; 0 for all.
    """

    name: str
    task: Task
    direction: Literal["min", "max"]
    sees: Literal["value", "label", "score", "belief"]
    function: Callable[[np.ndarray, np.ndarray], float]
    probability: bool = False
    by_row: bool = False
    first: int = 0

    def score(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        """The metric of (n,) against (n,), or (n, 2) of beliefs; NaN where a prediction is not finite,
        or an sd below 0."""
        if not np.isfinite(predicted).all():
            return float("nan")
        if self.sees == "belief" and not (predicted[:, 1] >= 0).all():
            return float("nan")
        if self.sees == "score" and len(np.unique(truth)) < 2:
            return float("nan")  # a ranking of one class alone has no value
        return float(self.function(truth, predicted))

    @property
    def sign(self) -> float:
        """+1 where more is better, else -1."""
        return 1.0 if self.direction == "max" else -1.0


_RANGES = 10


def _tail_mae(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error over the tenth of rows with the largest targets."""
    tail = truth >= np.quantile(truth, 0.9)
    return float(np.abs(truth - predicted)[tail].mean())


def _balanced_mae(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The mean of the mean absolute errors in ten ranges of the target of one width: each row weighs
    N / (k count_j), by the k ranges that hold a row and the rows in its own.
    """
    span = float(truth.max() - truth.min()) or 1.0
    place = np.minimum(((truth - truth.min()) / span * _RANGES).astype(int), _RANGES - 1)
    count = np.bincount(place, minlength=_RANGES)
    total = np.bincount(place, np.abs(truth - predicted), _RANGES)
    return float((total[count > 0] / count[count > 0]).mean())


def _spearman(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Rank correlation; 0 where one side is constant, which ranks nothing."""
    ranks = rankdata(truth), rankdata(predicted)
    if min(np.ptp(r) for r in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _g_mean(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Geometric mean of the recalls of all classes that occur: Kubat & Matwin, ICML 1997."""
    recalls = sk.recall_score(
        truth, predicted, labels=np.unique(truth), average=None, zero_division=0.0
    )
    return float(np.prod(recalls) ** (1 / len(recalls)))


def _average_precision(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Rounding can carry scikit-learn's sum of a perfect ranking above 1."""
    return min(1.0, float(sk.average_precision_score(truth, predicted)))


_RANKED = {"precision": precision_at, "discovery_yield": discovery_yield}
_AT = re.compile(rf"({'|'.join(_RANKED)})_at_([1-9][0-9]{{0,8}})", re.ASCII)


def _first(of: str, k: int) -> Metric:
    """Of the `k` rows of the highest score."""
    judge = partial(_RANKED[of], k=k)
    return Metric(f"{of}_at_{k}", "classification", "max", "score", judge, first=k)


_ALL = (
    Metric("mae", "regression", "min", "value", sk.mean_absolute_error, by_row=True),
    Metric("rmse", "regression", "min", "value", sk.root_mean_squared_error),
    Metric("median_ae", "regression", "min", "value", sk.median_absolute_error),
    Metric("tail_mae", "regression", "min", "value", _tail_mae),
    Metric("balanced_mae", "regression", "min", "value", _balanced_mae),
    Metric("r2", "regression", "max", "value", sk.r2_score),
    Metric("spearman", "regression", "max", "value", _spearman),
    Metric("nll", "regression", "min", "belief", nll, by_row=True),
    Metric("crps", "regression", "min", "belief", crps, by_row=True),
    Metric("coverage_error", "regression", "min", "belief", coverage_error),
    Metric("miscalibration_area", "regression", "min", "belief", miscalibration_area),
    Metric("accuracy", "classification", "max", "label", sk.accuracy_score, by_row=True),
    Metric("balanced_accuracy", "classification", "max", "label", sk.balanced_accuracy_score),
    Metric("mcc", "classification", "max", "label", sk.matthews_corrcoef),
    Metric(
        "f1_macro", "classification", "max", "label",
        lambda y, p: sk.f1_score(y, p, average="macro", zero_division=0.0),
    ),
    Metric("g_mean", "classification", "max", "label", _g_mean),
    Metric("roc_auc", "classification", "max", "score", sk.roc_auc_score),
    Metric("pr_auc", "classification", "max", "score", _average_precision),
    _first("precision", 10),
    _first("discovery_yield", 10),
    Metric(
        "brier", "classification", "min", "score", sk.brier_score_loss,
        probability=True, by_row=True,
    ),
    Metric(
        "log_loss", "classification", "min", "score",
        lambda y, p: sk.log_loss(y, p, labels=[0, 1]), probability=True, by_row=True,
    ),
    Metric(
        "ece", "classification", "min", "score", expected_calibration_error, probability=True
    ),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}
"""By name; `named` knows those at any number of rows, too."""

BELIEVING = ("uncertain", "gaussian_process", "block_gaussian_process")
"""Models of numbers that state an uncertainty (their estimators have `believe`)."""


def named(name: str) -> Metric | None:
    """The metric of that name, whatever its task; None if there is none. `precision_at_K` and
    `discovery_yield_at_K` are there for every whole K from 1 on.
    """
    if name in METRICS:
        return METRICS[name]
    at = _AT.fullmatch(name)
    return None if at is None else _first(at[1], int(at[2]))


def metric(name: str, task: str, classes: int = 2, *, believes: bool = False) -> Metric:
    """The metric of that name, if it fits the task; InputError otherwise, and for one that judges a
    stated uncertainty unless the model `believes`: states one.
    """
    fitting = [m.name for m in _ALL if m.task == task]
    found = named(name)
    if found is None:
        raise InputError("metric", f"no metric is called '{name}'", did_you_mean(name, fitting))
    if found.task != task:
        raise InputError(
            "metric", f"'{name}' is for {found.task}", f"for {task}: {', '.join(fitting)}"
        )
    if found.sees == "score" and classes != 2:
        raise InputError("metric", f"'{name}' needs two classes, not {classes}", "take f1_macro")
    if found.sees == "belief" and not believes:
        what = f"'{name}' judges a stated uncertainty, and the model here states none"
        raise InputError("metric", what, f"in the evaluator tabular: {', '.join(BELIEVING)}")
    return found


def of_values(chosen: Metric) -> Metric:
    """`chosen`; where it judges beliefs, what their means are judged by."""
    return METRICS["mae"] if chosen.sees == "belief" else chosen


def dummy_score(chosen: Metric, train: np.ndarray, truth: np.ndarray) -> float:
    """What a model that has seen only the targets `train` scores: their median (for absolute
    errors), mean, mean and sd, or commonest class.
    """
    if chosen.sees == "belief":
        one = [float(np.mean(train)), float(np.std(train)) or 1.0]
        return chosen.score(truth, np.tile(one, (len(truth), 1)))
    if chosen.sees == "value":
        absolute = chosen.name in ("mae", "median_ae", "tail_mae", "balanced_mae")
        constant = float(np.median(train) if absolute else np.mean(train))
    elif chosen.sees == "label":
        constant = float(np.bincount(train.astype(int)).argmax())
    else:
        constant = float(np.mean(train))
    return chosen.score(truth, np.full(len(truth), constant))
