"""What a sweep over few rows is judged by: which folds, and how their scores become one number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matscout.data.cluster_folds import cluster_folds
from matscout.data.sorted_folds import sorted_ends, sorted_forward
from matscout.data.split_names import GROUPED, REPEATED
from matscout.data.splits import Fold, repeats_of, split
from matscout.data.time_folds import time_ordered
from matscout.errors import InputError, did_you_mean
from matscout.evaluate.objective_names import OBJECTIVES
from matscout.models.metrics import Metric

_POOLED = ("mae", "rmse")
"""Errors whose value over all rows follows from their values over parts of them."""


@dataclass(frozen=True)
class Plan:
    """The folds in the order in which they are judged, the same for every trial, and what is made of
    their scores. `ends` is how many at the beginning are end folds of a sorted CV: 2 for `robert`.

    `repeats` is how often each row judges among the others.
    """

    objective: str
    metric: Metric
    folds: list[Fold]
    ends: int = 0
    repeats: int = 1

    def value(self, scores: Sequence[float]) -> float:
        """The objective of the first folds' scores, of all or of those that there are so far."""
        parts = list(self.parts(scores).values()) or [float(np.mean(scores))]
        return float(np.mean(parts))

    def parts(self, scores: Sequence[float]) -> dict[str, float]:
        """What the objective is the mean of, by name; nothing where it is a mean over all folds.

        ROBERT's code pools the predictions of all repeats before it takes the error; so do we.
        """
        found = {}
        if self.ends:
            found["sorted_ends"] = float(np.max(scores[: self.ends]))
            rest = np.asarray(scores[self.ends :], dtype=float)
            if len(rest):
                rows = [len(judge) for _, judge in self.folds[self.ends :]][: len(rest)]
                power = 2 if self.metric.name == "rmse" else 1
                found["cv"] = float(np.average(rest**power, weights=rows) ** (1 / power))
        return found

    def sem(
        self, scores: Sequence[float], truths: Sequence[np.ndarray], guesses: Sequence[np.ndarray]
    ) -> float:
        """The standard error of `value`, NaN where one fold alone says nothing of it.

        The spread of the folds' scores over sqrt(folds), and slightly too small, since folds share
        training rows (Bengio & Grandvalet 2004); repeats share all of them and are not counted. Of
        an end fold the jackknife's over its rows (Efron & Stein 1981).
        """
        rest = np.asarray(scores[self.ends :], dtype=float)
        independent = max(len(rest) // self.repeats, 1)
        if len(rest) < 2 or not np.isfinite(scores).all():
            return math.nan
        spread = float(np.std(rest, ddof=1) / math.sqrt(independent))
        if not self.ends:
            return spread
        worst = int(np.argmax(scores[: self.ends]))
        return math.hypot(spread, jackknife(self.metric, truths[worst], guesses[worst])) / 2


def plan(
    objective: str,
    metric: Metric,
    y: np.ndarray,
    x: np.ndarray,
    *,
    kind: str,
    folds: int,
    repeats: int,
    fraction: float,
    groups: np.ndarray | None,
    classes: bool,
    clusters: str,
    toward: str,
    times: np.ndarray | None = None,
    step: int = 1,
    seed: int,
) -> Plan:
    """The plan of an objective over targets `y` (n,) and inputs `x` (n, d), scaled, none missing.

    `kind` is the split that `cv` and `robert` repeat. A grouped split keeps its groups whole in
    every objective but `time`. `times` (n,) are what `time` goes by; `step` is how many blocks ahead
    `sorted` and `time` judge. Raises InputError where an objective does not fit the task, metric or
    rows.
    """
    check(objective, metric, kind)
    whole = groups if kind in GROUPED else None
    if objective == "loco":
        made = cluster_folds(x, clusters, folds, groups=whole, seed=seed)
        return Plan(objective, metric, made)
    if objective == "sorted":
        return Plan(objective, metric, sorted_forward(y, folds, toward, whole, step))
    if objective == "time":
        if times is None:
            raise InputError("trainer.time", "'time' needs a column of times", "name it: time = …")
        return Plan(objective, metric, time_ordered(times, folds, step))
    if objective == "split":
        made = split(
            kind, y, folds=folds, repeats=repeats, fraction=fraction, groups=groups,
            classes=classes, seed=seed,
        )  # fmt: skip
        return Plan(objective, metric, made, repeats=repeats if kind in REPEATED else 1)
    ends = sorted_ends(y, folds, whole) if objective == "robert" else []
    made = repeats_of(
        kind, y, repeats, folds=folds, fraction=fraction, groups=groups, classes=classes, seed=seed
    )
    # The ends first: so every report but the first two has both halves in it, and a pruner that
    # stops a trial early has seen both.
    return Plan(objective, metric, [*ends, *made], len(ends), repeats)


def check(objective: str, metric: Metric, kind: str) -> None:
    """InputError for an unknown objective, and for one that contradicts the metric or the split."""
    where = "trainer.objective"
    if objective not in OBJECTIVES:
        raise InputError(
            where, f"no objective is '{objective}'", did_you_mean(objective, OBJECTIVES)
        )
    if objective in ("robert", "sorted") and metric.task != "regression":
        raise InputError(where, f"'{objective}' sorts by a number", "use cv or loco for classes")
    if objective == "robert" and metric.name not in _POOLED:
        raise InputError(
            where, f"'robert' is made of errors, not of '{metric.name}'", "use rmse or mae"
        )
    if objective in ("loco", "sorted", "time") and kind not in ("kfold", *GROUPED):
        raise InputError(
            where, f"'{objective}' draws its own folds, not those of '{kind}'", "leave split out"
        )


def jackknife(metric: Metric, truth: np.ndarray, guess: np.ndarray, most: int = 100) -> float:
    """The jackknife's standard error of a metric over m rows, left out one by one, or in `most`
    groups of rows if there are more (Efron & Stein, Ann. Stat. 9, 586 (1981)). NaN for one row.
    """
    if len(truth) < 2:
        return math.nan
    parts = np.array_split(np.arange(len(truth)), min(len(truth), most))
    without = np.array([metric.score(np.delete(truth, p), np.delete(guess, p)) for p in parts])
    count = len(parts)
    return float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))
