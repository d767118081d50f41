"""Configurations that are good for some table or other: what a sweep over models asks first.

M. Feurer, K. Eggensperger, S. Falkner, M. Lindauer, F. Hutter, "Auto-sklearn 2.0: hands-free AutoML
via meta-learning", JMLR 23, 261 (2022), section 3.1: a fixed portfolio begins as well as one that is
chosen by what the table is like. Ours holds the field's defaults and what studies of small tables of
materials found best of each kind; inner validation says which is good for this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matscout.drive.recipe_crystals import CRYSTALS
from matscout.parameter import Categorical, Ordinal
from matscout.space import Space
from matscout.trial import Params, Value

ALWAYS = 2
"""How many points are asked however short the time is."""

_MIXED = "extra_trees+lightgbm+hist_gradient_boosting"
_L1 = {
    "average.members": _MIXED,
    "average.lightgbm.loss": "l1",
    "average.hist_gradient_boosting.loss": "absolute_error",
}

_SLOW: Mapping[str, Value] = {
    "n_estimators": 400, "learning_rate": 0.05, "colsample_bytree": 0.3, "max_bin": 63,
}  # fmt: skip
"""Of LightGBM: many small steps, each from some of the columns."""


def _slow(*heads: str) -> dict[str, Value]:
    return {f"{head}.{name}": value for head in heads for name, value in _SLOW.items()}


_RICH_AVERAGE: dict[str, Value] = {
    "model": "average", "features": "bonding", "average.members": "extra_trees+lightgbm",
    "average.extra_trees.max_features": 0.3, **_slow("average.lightgbm"),
}  # fmt: skip
_GATE: dict[str, Value] = {
    "model": "hurdle", "features": "bonding", "target_transform": "sqrt", "hurdle.gate_at": 0.6,
}  # fmt: skip
_BOOSTED_HURDLE = {
    **_GATE, "hurdle.classifier": "lightgbm", "hurdle.regressor": "lightgbm",
    **_slow("hurdle.classifier", "hurdle.regressor"),
}  # fmt: skip
_MEAN_HURDLE = {
    **_GATE, "hurdle.classifier": "average", "hurdle.regressor": "average",
    "hurdle.classifier.members": "extra_trees+lightgbm",
    "hurdle.regressor.members": "extra_trees+lightgbm", "hurdle.regressor.extra_trees.max_features": 0.3,
    **_slow("hurdle.classifier.lightgbm", "hurdle.regressor.lightgbm"),
}  # fmt: skip

NUMBERS: tuple[Mapping[str, Value], ...] = (
    {"model": "extra_trees"},
    _BOOSTED_HURDLE,
    {**_GATE, "hurdle.classifier": "average", "hurdle.regressor": "lightgbm", "hurdle.gate_at": 0.5,
     "hurdle.classifier.members": "extra_trees+lightgbm",
     **_slow("hurdle.classifier.lightgbm", "hurdle.regressor")},
    _MEAN_HURDLE,
    {"model": "extra_trees", "features": "fractions"},
    {"model": "average", "target_transform": "log1p", **_L1},
    {"model": "lightgbm", "lightgbm.loss": "l1", "lightgbm.n_estimators": 400},
    {"model": "extra_trees", "target_transform": "log1p"},
    {"model": "block_gaussian_process", "target_transform": "yeo_johnson"},
    {**_MEAN_HURDLE, "features": "all", "hurdle.gate_at": 0.7},
    {"model": "average", "target_transform": "yeo_johnson", **_L1},
    {"model": "hist_gradient_boosting", "hist_gradient_boosting.loss": "absolute_error",
     "target_transform": "log1p"},
    {"model": "average", "features": "fractions", "average.members": _MIXED},
    {**_RICH_AVERAGE, "target_transform": "yeo_johnson"},
    {"model": "lightgbm", "lightgbm.n_estimators": 400, "features": "fractions"},
    {"model": "extra_trees", "features": "bonding", "extra_trees.max_features": 0.3},
    {"model": "svm", "target_transform": "yeo_johnson"},
    {"model": "linear"},
)  # fmt: skip
"""Hurdles come early: a space has them only where one value is common, and there they are best."""

_BOOSTED: dict[str, Value] = {"model": "lightgbm", "features": "bonding", **_slow("lightgbm")}

CLASSES: tuple[Mapping[str, Value], ...] = (
    {"model": "extra_trees"},
    _RICH_AVERAGE,
    {"model": "lightgbm", "lightgbm.n_estimators": 400},
    _BOOSTED,
    {"model": "average", "average.members": "extra_trees+lightgbm"},
    {"model": "extra_trees", "features": "bonding", "extra_trees.max_features": 0.3},
    {"model": "extra_trees", "features": "fractions"},
    {**_BOOSTED, "lightgbm.num_leaves": 48},
    {"model": "hist_gradient_boosting", "features": "bonding"},
    {"model": "average", "average.members": _MIXED},
    {"model": "extra_trees", "weights": "balanced"},
    {**_BOOSTED, "weights": "balanced"},
    {"model": "lightgbm", "lightgbm.n_estimators": 400, "features": "fractions"},
    {"model": "block_gaussian_process"},
    {"model": "linear"},
    {"model": "svm"},
)

_OWN: Mapping[str, Value] = {
    "linear.alpha": 10.0,
    "extra_trees.max_features": 1.0,
    "extra_trees.min_samples_leaf": 1,
    "lightgbm.focal_gamma": 2.0,
    "lightgbm.n_estimators": 200,
    "lightgbm.learning_rate": 0.05,
    "lightgbm.num_leaves": 31,
    "lightgbm.colsample_bytree": 0.5,
    "lightgbm.max_bin": 63,
    "average.extra_trees.max_features": 1.0,
    "average.lightgbm.n_estimators": 100,
    "average.lightgbm.learning_rate": 0.1,
    "average.lightgbm.colsample_bytree": 1.0,
    "average.lightgbm.max_bin": 255,
    "hist_gradient_boosting.learning_rate": 0.1,
    "hist_gradient_boosting.max_iter": 200,
    "hist_gradient_boosting.min_samples_leaf": 10,
    "svm.C": 10.0,
    "svm.gamma": 0.01,
    "block_gaussian_process.nu": 1.5,
}
"""What a point takes where it says nothing; of a choice, the first that is left in the space."""


def portfolio(space: Space, task: str, *, structures: bool = False) -> list[Params]:
    """The points of the task that lie in `space`, the worthiest first, each once. The first one is
    what nobody tuned: extra trees."""
    found: dict[str, Params] = {}
    usual = NUMBERS if task == "regression" else CLASSES
    for some in (usual[0], *(CRYSTALS[task] if structures else ()), *usual[1:]):
        point = _filled(space, some)
        if point is not None:
            found.setdefault(space.key(point), point)
    return list(found.values())


def _filled(space: Space, some: Mapping[str, Value]) -> Params | None:
    """`some` with what it lacks; None where the space no longer has what it names."""
    given: dict[str, Any] = {**_OWN, **some}
    out: dict[str, Value] = {}
    for parameter in space.parameters:
        if not space.is_active(parameter, out):
            continue
        name = parameter.name
        if name in given:
            value = parameter.canonical(given[name])
        elif isinstance(parameter, Categorical):
            value = parameter.choices[0]
        elif isinstance(parameter, Ordinal):
            value = parameter.levels[0]
        else:
            value = parameter.from_unit(0.5)
        if value is None:
            return None
        out[name] = value
    left_out = {name for name in some if name not in out and name in space.by_name}
    gone = {n for n in some if n not in space.by_name and n not in ("features", "weights")}
    return None if left_out or gone else out


def affordable(
    points: Sequence[Params], costs: Mapping[str, float], space: Space, seconds: float
) -> tuple[list[Params], list[Params]]:
    """Those of which one alone fits into so many seconds, in their order, and those of which none
    does. A point that nobody has measured yet fits, and so do the first `ALWAYS`.
    """
    fits = [
        place < ALWAYS or costs.get(space.key(point), 0.0) <= seconds
        for place, point in enumerate(points)
    ]
    taken = [point for point, ok in zip(points, fits, strict=True) if ok]
    return taken, [point for point, ok in zip(points, fits, strict=True) if not ok]
