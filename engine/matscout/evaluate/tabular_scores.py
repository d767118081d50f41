"""From a trial's folds to its measurement: the objective, its parts, and what is said beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from matscout.models.breakdown import by_class, by_decile
from matscout.models.metrics import Metric, of_values
from matscout.trial import Measurement

if TYPE_CHECKING:
    from matscout.evaluate.tabular_data import TabularData

Seen = Mapping[str, np.ndarray]
"""One fold's predictions, (m,), by what a metric sees of them: value, label, score or belief, (m, 2)."""


def views(chosen: Metric, also: Iterable[Metric], breakdown: bool) -> tuple[Metric, ...]:
    """For each thing that must be predicted, once, a metric that sees it; `chosen` is the first."""
    found = {chosen.sees: chosen}
    for metric in also:
        found.setdefault(metric.sees, metric)
    if chosen.task == "classification":
        if breakdown:
            found.setdefault("label", LABELS)
    elif breakdown or chosen.sees == "belief":  # whose means are written down as predictions
        found.setdefault("value", of_values(chosen))
    return tuple(found.values())


LABELS = Metric("label", "classification", "max", "label", lambda y, p: float(np.mean(y == p)))


def measurement(
    data: TabularData, target: str, scores: Sequence[float], seen: Sequence[Seen], source: str
) -> Measurement:
    """The objective under the name `target`, with its SEM; `gap_to_dummy`: by how much it beats a
    model that has seen only the targets (positive: better, whichever way the metric goes); the
    parts that the objective is made of; the metrics asked for beside it, over the folds that are no
    end folds; and scores by class or decile of all rows that these folds judged.

    `scores` and `seen` belong to the first folds of the plan: all, unless a score was no number.
    """
    plan, truth = data.plan, data.table.target
    truths = [truth[judge] for _, judge in plan.folds[: len(scores)]]
    main = [one[data.metric.sees] for one in seen]
    dummies = data.dummies[: len(scores)]
    gap = (
        plan.value(scores) - plan.value(dummies)
        if plan.ends
        else float(np.mean(np.subtract(scores, dummies)))
    )
    values = {target: plan.value(scores), "gap_to_dummy": data.metric.sign * gap}
    sem = {target: plan.sem(scores, truths, main)}
    values |= {f"{data.metric.name}.{k}": v for k, v in plan.parts(scores).items()}
    body = slice(plan.ends, None)
    for metric in data.also:
        if metric.name == target:
            continue
        pairs = zip(truths[body], seen[body], strict=True)
        each = [metric.score(y, one[metric.sees]) for y, one in pairs]
        values[metric.name] = float(np.mean(each)) if each else math.nan
        if len(each) > 1:
            independent = max(len(each) // plan.repeats, 1)
            sem[metric.name] = float(np.std(each, ddof=1) / math.sqrt(independent))
    if data.breakdown and truths[body]:
        values |= _broken_down(data, np.concatenate(truths[body]), seen[body])
    return Measurement(values, {k: v for k, v in sem.items() if math.isfinite(v)}, source=source)


def _broken_down(data: TabularData, truth: np.ndarray, seen: Sequence[Seen]) -> dict[str, float]:
    what = "value" if data.metric.task == "regression" else "label"
    guess = np.concatenate([one[what] for one in seen])
    if what == "value":
        return by_decile(truth, guess)
    return by_class(truth, guess, data.table.classes)


def directions(data: TabularData, target: str) -> dict[str, str]:
    """Every value that a measurement may hold, and which way is better."""
    own = data.metric.direction
    found = {metric.name: metric.direction for metric in data.also}
    found |= {target: own, "gap_to_dummy": "max"}
    if data.plan.ends:
        found |= dict.fromkeys((f"{data.metric.name}.{k}" for k in ("cv", "sorted_ends")), own)
    if data.breakdown:
        # Any truth will do for the names.
        y = data.table.target
        if data.metric.task == "regression":
            found |= dict.fromkeys(by_decile(y, y), "min")
        else:
            found |= dict.fromkeys(by_class(y, y, data.table.classes), "max")
    return dict(found)
