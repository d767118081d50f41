"""From a table's audit to what a sweep over models does with it: trainer, space, folds. Decided by
the number of rows and by what the audit of the rows that the sweep may see has found, never by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from matscout.data.audit import Audit
from matscout.data.split_names import EQUAL_INPUTS, GROUPED
from matscout.errors import InputError
from matscout.models.metrics import METRICS, Metric, Task, metric
from matscout.models.narrow import narrowed
from matscout.parameter import Categorical, Parameter
from matscout.space import Space

MANY, FEW, FEWER = 2000, 1000, 400
"""Rows above which inner validation has 3 folds (else 5); below which it is repeated 2, and 3 times."""
ATOM = 0.05
"""The share of rows with the commonest value from which a hurdle differs from its regressor."""
_UNSIGNED = ("sqrt", "log1p")
_COPIES = (
    "beware: rows that have the same inputs stand on both sides of splits, which makes every score too"
    " good: --split was asked for all the same"
)
_BOUNDS = "the bound stands for the value, which is right on one side only"
_SIDES = "a value beyond a bound counts on the side of the cut where it must lie"
_LABELS_ONLY = ("threshold", "calibrate")


@dataclass(frozen=True)
class Question:
    """What a person has asked for; empty or None: to be found out."""

    table: Path
    target: str
    task: str = ""
    metric: str = ""
    group: str = ""
    formula: str = ""
    structures: str = ""
    split: str = ""
    cut: float | None = None
    censored: bool = False
    outer: int = 5
    outer_seed: int = 0
    seed: int = 0
    sealed: float = 0.0
    structure_cache: Path | None = None

    @property
    def takes_bounds(self) -> bool:
        """Whether a target such as `<1E-10` is taken: its bound, or its side of the cut."""
        return self.censored or self.cut is not None


@dataclass(frozen=True)
class Plan:
    """`metric` is what the score is; `ranked` what sweeps go by. Where these differ, labels are cut
    from scores by a threshold that is tuned on out-of-fold scores once the members are chosen.

    `options` are those of the evaluator `tabular` that are the same for every outer fold.
    """

    question: Question
    task: Task
    metric: Metric
    ranked: Metric
    options: Mapping[str, Any]
    rows: int
    classes: int
    why: tuple[str, ...]

    @property
    def two_step(self) -> bool:
        return self.metric.name != self.ranked.name


def planned(question: Question, found: Audit, classes: int) -> Plan:
    """The plan for a table with that audit; `classes` is 0 for numbers. InputError where the question
    does not fit the table."""
    why: list[str] = []
    task: Task = "classification" if classes else "regression"
    why.append(f"task: {task}" + (f" of {classes} classes" if classes else ""))
    name = question.metric or ("balanced_accuracy" if classes else "mae")
    own = metric(name, task, classes or 2)
    ranked = METRICS["roc_auc"] if own.sees == "label" and classes == 2 else own
    if ranked is not own:
        why.append(
            f"sweeps rank by {ranked.name}; labels, judged by {own.name}, are cut from averaged"
            " scores at a threshold tuned on out-of-fold scores"
        )
    structures = _structures(question, found, why)
    options: dict[str, Any] = {
        "table": str(question.table.absolute()), "predict": question.target, "model": "any",
        "task": task, "metric": ranked.name, "objective": "cv",
        "outer_seed": question.outer_seed, "split_seed": question.seed,
    }  # fmt: skip
    formulas = [*_formulas(question, found, why), *([structures] if structures else [])]
    if formulas:
        options["formulas"] = formulas
    if structures:
        options["structures"] = structures
        if question.structure_cache is not None:
            options["structure_cache"] = str(question.structure_cache.absolute())
    if question.cut is not None:
        options["cut"] = question.cut
    if question.takes_bounds and found.of("censored"):
        options["censored"] = "bound"
        why.append(f"censored: {_BOUNDS if question.cut is None else _SIDES}")
    if question.sealed:
        options["sealed"] = question.sealed
    group = question.group or str(found.options.get("group", ""))
    copies = any(f.kind == "groups" and f.level != "note" for f in found.findings)
    if copies and not group and (question.split or "grouped") in GROUPED:
        group = EQUAL_INPUTS
    split = question.split or _split(bool(classes), bool(group))
    options["split"] = split
    if split in GROUPED:
        if not group:
            raise InputError("--split", f"'{split}' needs a group column", "name it: --group")
        options["group"] = group
        own_name = "set of equal inputs" if group == EQUAL_INPUTS else repr(group)
        why.append(f"groups: rows of one {own_name} stay on one side of every split ({split})")
    elif group:
        why.append(f"groups: rows share {group!r}, and --split {split} was asked for all the same")
    elif copies:
        why.append(_COPIES)
    _inputs(question, found, options, formulas, why)
    return Plan(question, task, own, ranked, options, found.rows, classes, tuple(why))


def _split(classes: bool, grouped: bool) -> str:
    if grouped:
        return "stratified_grouped" if classes else "grouped"
    return "stratified" if classes else "kfold"


def _formulas(question: Question, found: Audit, why: list[str]) -> list[str]:
    names = [question.formula] if question.formula else []
    if not names:
        names = [n for n, kind in found.kinds.items() if kind == "formula" and n in found.inputs]
    if names:
        why.append(f"formulas: {', '.join(names)} become element fractions, statistics and charges")
    return names


def _structures(question: Question, found: Audit, why: list[str]) -> str:
    """The column of structures; "" for none. A table with several needs a word."""
    columns = [n for n, kind in found.kinds.items() if kind == "structure" and n in found.inputs]
    if len(columns) > 1 and not question.structures:
        what = f"{len(columns)} columns hold structures: {', '.join(columns)}"
        raise InputError(str(question.table), what, "choose one: --structures")
    name = question.structures or next(iter(columns), "")
    if name:
        why.append(
            f"structures: {name} becomes composition, the 64 numbers that CHGNet 0.3.0 makes of a"
            " crystal, and ten of its geometry"
        )
    return name


def _inputs(
    question: Question, found: Audit, options: dict[str, Any], formulas: list[str], why: list[str]
) -> None:
    """Names, constants and copies are no inputs; a group is one only if it is a formula."""
    kept = [n for n in found.inputs if n != options.get("group") or n in formulas]
    kept += [n for n in formulas if n not in kept]
    if not kept:
        raise InputError(str(question.table), "has no column worth learning from", "add inputs")
    everything = [n for n in found.kinds if n != options.get("group")]
    left = [n for n in found.kinds if n not in kept]
    if set(kept) != set(everything):
        options["inputs"] = kept
    if left:
        why.append(f"left out of the inputs: {', '.join(left)}")


def inner_folds(rows: int) -> tuple[int, int]:
    """Folds and repeats of the inner validation: a function of the rows alone."""
    folds = 3 if rows > MANY else 5
    return folds, 3 if rows < FEWER else 2 if rows < FEW else 1


def space_for(plan: Plan, space: Space, y: np.ndarray) -> Space:
    """`space`, narrowed to what the targets `y` (n,) that a sweep may see allow: logarithms and roots
    where nothing is negative, a hurdle where one value is common."""
    out = narrowed(space, plan.task, rows=len(y), formulas="formulas" in plan.options)
    gone: set[str] = set()
    unsigned = False
    if plan.task == "regression":
        unsigned = float(np.min(y)) >= 0
        common = float(np.unique(y, return_counts=True)[1].max()) / len(y)
        if common < ATOM:
            gone.add("hurdle")
    elif "cut" not in plan.options:
        gone.add("regress_and_cut")
    kept: list[Parameter] = []
    for parameter in out.parameters:
        if plan.two_step and parameter.name in _LABELS_ONLY:
            continue
        own = _left(parameter, gone, unsigned)
        if own is not None and own.when.keys() <= {other.name for other in kept}:
            kept.append(own)
    return Space(tuple(kept), out.constraints)


def _left(parameter: Parameter, gone: set[str], unsigned: bool) -> Parameter | None:
    """`parameter` without models that are `gone`; None where it belonged to them alone."""
    models = parameter.when.get("model")
    if models is not None:
        left = tuple(v for v in models if v not in gone)
        if not left:
            return None
        parameter = replace(parameter, when={**parameter.when, "model": left})
    if not isinstance(parameter, Categorical):
        return parameter
    if parameter.name == "model":
        return replace(parameter, choices=tuple(v for v in parameter.choices if v not in gone))
    if parameter.name.rsplit(".", 1)[-1] == "target_transform" and unsigned:
        more = (v for v in _UNSIGNED if v not in parameter.choices)
        return replace(parameter, choices=(*parameter.choices, *more))
    return parameter
