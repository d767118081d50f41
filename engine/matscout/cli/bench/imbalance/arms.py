"""The techniques of `bench imbalance`: each is a model by name and its hyperparameters, as a sweep has
them; nothing here fits what a trainer would not.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from matscout.cli.bench.imbalance.tables import Rows
from matscout.errors import InputError, did_you_mean
from matscout.models import tabular
from matscout.models.imbalance.decide import DecisionWarning
from matscout.models.imbalance.resample import ResampleWarning
from matscout.models.metrics import METRICS

MEASURED = ("pr_auc", "f1_macro", "mcc", "balanced_accuracy", "brier")
PLAIN = {"forest": "random_forest", "boosting": "lightgbm", "network": "mlp"}
"""What every technique is put around, with the defaults of a small table."""
_NETWORK = {"epochs": 50, "lr": 0.003, "dropout": 0.1}
"""Of the network alone: its own defaults are for one table, and a step of .01 overfits four."""


@dataclass(frozen=True)
class Arm:
    """`plain` is the arm that it is compared with; its own name where it is plain itself."""

    name: str
    plain: str
    model: str
    params: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""


def _around(base: str, name: str, said: str, **params: Any) -> Arm:
    more = _NETWORK if base == "network" else {}
    return Arm(f"{base} {name}", f"{base} plain", PLAIN[base], {**more, **params}, said)


def _resampled(base: str) -> list[Arm]:
    words = [
        "random_over", "smote", "adasyn", "smote_tomek", "random_under", "near_miss", "tomek_links",
        "cluster_centroids",
    ]  # fmt: skip
    return [_around(base, word, "both classes equal", resample=word) for word in words]


def _trees(base: str) -> list[Arm]:
    return [
        _around(base, "plain", "as it comes"),
        _around(base, "balanced weights", "w = N / (k count)", weights="balanced"),
        _around(base, "sqrt weights", "the root of these", weights="sqrt"),
        *_resampled(base),
        _around(base, "tuned threshold", "for macro-F1", threshold="tuned", **_TUNED),
        _around(base, "halfway threshold", "halfway to it", threshold="halfway", **_TUNED),
        _around(base, "cost threshold", "a miss costs 5", threshold="cost", miss_cost=5.0),
        _around(base, "sigmoid", "calibrated", calibrate="sigmoid"),
        _around(base, "isotonic", "calibrated", calibrate="isotonic"),
        _around(
            base, "smote + tuned threshold", "both", resample="smote", threshold="tuned", **_TUNED
        ),
        Arm(
            f"{base} regress and cut", f"{base} plain", "regress_and_cut",
            {"regressor": PLAIN[base]}, "learns the number behind the label",
        ),
    ]  # fmt: skip


_TUNED = {"threshold_metric": "f1_macro"}

ARMS: tuple[Arm, ...] = (
    *_trees("forest"),
    *(
        Arm(f"forest {name}", "forest plain", model, {}, "an ensemble of balanced parts")
        for name, model in (
            ("balanced parts", "balanced_random_forest"),
            ("rusboost", "rusboost"),
            ("easy ensemble", "easy_ensemble"),
            ("smote bagging", "smote_bagging"),
        )
    ),
    *_trees("boosting"),
    _around("boosting", "focal", "γ = 2", loss="focal"),
    _around("network", "plain", "as it comes"),
    _around("network", "focal", "γ = 2", loss="focal"),
    _around("network", "balanced weights", "w = N / (k count)", weights="balanced"),
    _around("network", "balanced batches", "both classes equal", batches="balanced"),
    _around("network", "two phases", "balanced batches, then all", batches="two_phase"),
    _around("network", "tuned threshold", "for macro-F1", threshold="tuned", **_TUNED),
)


def arms_named(words: str) -> tuple[Arm, ...]:
    """Those whose name, or the first word of it (forest, boosting, network), is listed; all if none
    is. The plain arms that they are compared with come too.
    """
    named = [word.strip() for word in words.split(",") if word.strip()]
    known = {arm.name for arm in ARMS} | set(PLAIN)
    for word in named:
        if word not in known:
            raise InputError("--arms", f"no arm {word!r}", did_you_mean(word, known))
    if not named:
        return ARMS
    picked = [arm for arm in ARMS if arm.name in named or arm.name.split()[0] in named]
    needed = {arm.plain for arm in picked}
    return tuple(arm for arm in ARMS if arm in picked or arm.name in needed)


def fold_scores(
    arm: Arm, rows: Rows, train: np.ndarray, judge: np.ndarray, seed: int
) -> dict[str, float]:
    """Every metric of MEASURED on the rows `judge`, by that arm trained on `train`."""
    params = dict(arm.params)
    x, y = rows.columns.x, rows.y
    pipe = tabular.pipeline(arm.model, "classification", rows.columns, params, seed)
    with warnings.catch_warnings():
        for kind in (ResampleWarning, DecisionWarning):
            warnings.simplefilter("ignore", kind)
        fitted = tabular.fit(pipe, x[train], y[train], rows.groups[train], rows.amounts[train])
    found: dict[str, float] = {}
    for name, value in _seen(fitted, x[judge], MEASURED).items():
        found[name] = METRICS[name].score(y[judge], value)
    return found


def _seen(fitted: Any, x: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    label, score = (
        tabular.predictions(fitted, x, METRICS[name]) for name in ("f1_macro", "pr_auc")
    )
    return {name: score if METRICS[name].sees == "score" else label for name in names}
