"""A space over models, narrowed to what one table can use: its task, its formulas, its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from matscout.errors import InputError
from matscout.models.boosting import CLASSES, NUMBERS
from matscout.models.estimators import ANY, models_for
from matscout.models.metrics import Task
from matscout.models.names import names_of
from matscout.parameter import Categorical, Parameter
from matscout.space import Space
from matscout.trial import Value

MOST_ROWS = {"gaussian_process": 1000, "block_gaussian_process": 1500, "svm": 5000}
"""Beyond, a model whose cost is the cube of the rows (support vectors: the square or more) is left out
of a search. `block_gaussian_process` takes 4 s for 1,500 rows on one core."""

_FOR: Mapping[str, Task] = {
    **dict.fromkeys(NUMBERS, "regression"),
    **dict.fromkeys(("squared_error", "absolute_error", "mse", "mae"), "regression"),
    **dict.fromkeys((*CLASSES, "log_loss"), "classification"),
}
"""Losses that one task alone has (`huber` is for numbers wherever it is known)."""


def narrowed(space: Space, task: Task, *, rows: int, formulas: bool) -> Space:
    """`space` without the models, hyperparameters and choices that a table of so many rows, with or
    without a column of formulas, cannot use for that task; conditions follow. A space for the model
    `any` stays one. InputError where nothing is left of a parameter that others need.
    """
    if space.pool is not None or "model" not in space.by_name:
        raise InputError(
            "space", "has no parameter 'model'", "only a space over models is narrowed"
        )
    known = set(names_of(ANY, task))
    out: dict[str, Parameter] = {}
    for parameter in space.parameters:
        own = _of(parameter, task, rows, formulas, known)
        own = None if own is None else _conditioned(own, out, space)
        if own is not None:
            out[own.name] = own
    if "model" not in out:
        raise InputError("space.parameters.model", f"no choice is left for {task}", "add one")
    return Space(tuple(out.values()), space.constraints)


def _of(
    parameter: Parameter, task: Task, rows: int, formulas: bool, known: set[str]
) -> Parameter | None:
    name = parameter.name
    if name not in known:
        return None
    last = name.rsplit(".", 1)[-1]
    if last == "features" and not formulas:
        return None
    if last == "target_transform" and task == "classification" and "regressor" not in name:
        return None
    if not isinstance(parameter, Categorical):
        return parameter
    left = tuple(v for v in parameter.choices if _fits(last, v, task, rows))
    return replace(parameter, choices=left) if left else None


def _fits(last: str, value: Value, task: Task, rows: int) -> bool:
    if last == "model":
        return value in models_for(task) and rows <= MOST_ROWS.get(str(value), rows)
    if last == "members":
        return all(rows <= MOST_ROWS.get(one, rows) for one in str(value).split("+"))
    if last == "loss":
        return _FOR.get(str(value), task) == task
    if last == "weights":
        return value != "lds" or task == "regression"
    return True


def _conditioned(own: Parameter, out: Mapping[str, Parameter], space: Space) -> Parameter | None:
    """`own` under what is left of its conditions; None where it can never exist."""
    when: dict[str, tuple[Value, ...]] = {}
    for parent, values in own.when.items():
        before, now = space.by_name[parent], out.get(parent)
        if now is None:
            return None
        left = values
        if isinstance(before, Categorical) and isinstance(now, Categorical):
            left = tuple(v for v in values if v in now.choices)
        if not left:
            return None
        when[parent] = left
    return replace(own, when=when) if when else own
