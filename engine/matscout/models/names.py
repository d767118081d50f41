"""Which hyperparameters each model has, by name; those of a model inside a model stand behind a dot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from matscout.errors import InputError, did_you_mean
from matscout.models import estimators
from matscout.models import hyperparameters as hyper
from matscout.models.estimators import ANY, COMPOSITE, NO_PROBABILITY, models_for
from matscout.models.hyperparameters import (
    DecisionSettings,
    FitSettings,
    MlpSettings,
    PrepareSettings,
    ResampleSettings,
    WeightSettings,
)
from matscout.models.metrics import Task

PREPARE = hyper.names(PrepareSettings)
WEIGHTS = hyper.names(WeightSettings)
RESAMPLE = hyper.names(ResampleSettings)
DECISION = (*hyper.names(DecisionSettings), "costs")

HEADS: dict[str, Mapping[str, Task]] = {
    "hurdle": {"classifier": "classification", "regressor": "regression"},
    "regress_and_cut": {"regressor": "regression"},
}
"""What a model of models asks for by name, and what each of them learns."""
OPTIONS = {
    "hurdle": ("combine", "least", "gate_at"),
    "regress_and_cut": (),
    "average": ("members",),
    "stack": ("members", "inner_folds"),
}
OF_MEMBERS = ("average", "stack")
"""Models of several single ones that all learn the same."""


def shared(task: Task) -> tuple[str, ...]:
    """Those that go with every model."""
    more = (*RESAMPLE, *DECISION) if task == "classification" else ()
    return (*PREPARE, *WEIGHTS, *more)


@cache
def names_of(model: str, task: Task) -> tuple[str, ...]:
    """All that may be set for a pipeline of that model, the shared ones first."""
    if model == ANY:
        return _of_any(task)
    estimators.check_task(model, task)
    if model in OF_MEMBERS:
        inner = (f"{m}.{n}" for m in _singles(task) for n in names_of(m, task))
        return tuple(dict.fromkeys((*shared(task), *OPTIONS[model], *inner)))
    if model in COMPOSITE[task]:
        heads = HEADS[model]
        inner = (f"{head}.{n}" for head, kind in heads.items() for n in _inside(kind))
        given = [n for n in shared(task) if model != "regress_and_cut" or n not in RESAMPLE]
        return (*given, *heads, *OPTIONS[model], *inner)
    if model == "mlp":
        own = hyper.names(FitSettings, MlpSettings)
        return (*(n for n in shared(task) if n not in own), "epochs", *own)
    return (*shared(task), *estimators.own_names(model, task))


def _of_any(task: Task) -> tuple[str, ...]:
    inner = (f"{m}.{n}" for m in models_for(task) for n in names_of(m, task))
    return ("model", *shared(task), *inner)


@cache
def _inside(task: Task) -> tuple[str, ...]:
    """Of a model that another one holds: a single model, or one of `OF_MEMBERS`."""
    found = (n for m in (*_singles(task), *OF_MEMBERS) for n in names_of(m, task))
    return tuple(dict.fromkeys(found))


def _singles(task: Task) -> tuple[str, ...]:
    return tuple(m for m in models_for(task) if m not in COMPOSITE[task])


def under(params: Mapping[str, Any], head: str) -> dict[str, Any]:
    """Those of `params` that begin with `head.`, without it."""
    start = f"{head}."
    return {name[len(start) :]: v for name, v in params.items() if name.startswith(start)}


def chosen(params: Mapping[str, Any], task: Task) -> tuple[str, dict[str, Any]]:
    """The model that `params` name, and its own hyperparameters: what stands behind `MODEL.` beats
    what is shared. Those of other models are left out. InputError for an unknown name, for a model
    that does not learn this, and for a shared one that the model cannot take.
    """
    hyper.check_names(params, names_of(ANY, task))
    model = params.get("model")
    if not isinstance(model, str):
        mend = f"model = one of {', '.join(models_for(task))}"
        raise InputError("params.model", "is missing, and the model is 'any'", mend)
    estimators.check_task(model, task, "params.model")
    known = set(names_of(model, task))
    common = {n: v for n, v in params.items() if n != "model" and "." not in n}
    for name in [n for n in common if n not in known]:
        if common[name] != "none" and name == "resample":
            raise InputError("params.resample", f"{model} cannot be resampled", "use 'none'")
        common.pop(name)
    own = {**common, **under(params, model)}
    if (
        model in NO_PROBABILITY
        and task == "classification"
        and own.get("calibrate", "none") == "none"
    ):
        # Whatever a space chooses must compare, and average, with the others: by probabilities.
        own["calibrate"] = "sigmoid"
    return model, own


def members(params: Mapping[str, Any], task: Task) -> tuple[str, ...]:
    """Those that a model of `OF_MEMBERS` holds: `members`, joined by +, two at least."""
    text = params.get("members", "extra_trees+lightgbm+hist_gradient_boosting")
    found = tuple(word.strip() for word in str(text).split("+"))
    for name in found:
        if name not in _singles(task) and name != "regress_and_cut":
            mend = did_you_mean(name, _singles(task))
            raise InputError("params.members", f"{name!r} is no single model", mend)
    if len(set(found)) != len(found) or len(found) < 2:
        what = f"must be two or more different models joined by +, got {text!r}"
        raise InputError("params.members", what, "extra_trees+lightgbm")
    return found


def inherited(params: Mapping[str, Any], head: str, names: Iterable[str]) -> dict[str, Any]:
    """For the model behind `head`: its own, and otherwise what is said for all."""
    passed = {*PREPARE, *WEIGHTS, *RESAMPLE} & set(names)
    return {**{n: v for n, v in params.items() if n in passed}, **under(params, head)}
