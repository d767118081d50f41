"""The best model of a sweep beside baselines on the same folds: is the gap more than noise?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from matscout.errors import one_line
from matscout.history import History
from matscout.propose.observations import best_of, sem_of, value_of
from matscout.report.folds import fold_scores
from matscout.report.markup import Markup, el, join, number, table
from matscout.trial import Target, Trial

LEVEL = 0.95
"""One-sided: one model in twenty that is no better would pass for better, were it the only one."""


@dataclass(frozen=True)
class Against:
    """The best trial against one baseline: `gap` is positive where the trial is better. `noise` is
    what a gap must pass, None where it is not known.
    """

    name: str
    value: float
    sem: float | None
    gap: float
    noise: float | None

    @property
    def verdict(self) -> str:
        """In words."""
        if self.noise is None:
            return (
                f"better by {number(self.gap)} (noise not known)" if self.gap > 0 else "not better"
            )
        if abs(self.gap) <= self.noise:
            return f"no better than noise allows ({number(self.gap)}, noise {number(self.noise)})"
        word = "better" if self.gap > 0 else "worse"
        return f"{word} by {number(abs(self.gap))} (noise {number(self.noise)})"


def against(history: History, known: Mapping[str, Any]) -> list[Against]:
    """The best trial against every baseline of `known`, as `read_baselines` gives them; empty where
    there is neither.

    Where the trial reported fold after fold, the folds are paired, and the standard error of the mean
    difference over J folds is s sqrt(1/J + n_judge/n_train), for the folds share training rows
    (Nadeau & Bengio, Mach. Learn. 52, 239 (2003)); else it is that of two unrelated means. Noise
    is this times Student's t. The best of many trials is flattered by the choice: a gap that is
    just above the noise proves little.
    """
    best = best_of(history) if known and history.targets else None
    if best is None or known["target"] != history.targets[0].name:
        return []
    target = history.targets[0]
    value = value_of(best, target)
    assert value is not None
    found = []
    for name, model in known["models"].items():
        if model["value"] is None:
            continue
        own = [math.nan if s is None else float(s) for s in model["scores"]]
        gap = target.sign * (value - model["value"])
        error, degrees = _error(best, target, own, known, model["sem"])
        noise = float(stdtrit(degrees, LEVEL)) * error if math.isfinite(error) else None
        found.append(Against(one_line(str(name)), model["value"], model["sem"], gap, noise))
    return found


def _error(
    best: Trial, target: Target, own: Sequence[float], known: Mapping[str, Any], sem: float | None
) -> tuple[float, int]:
    """The standard error of the difference, NaN if not known, and its degrees of freedom."""
    folds = fold_scores(best, target) if not known["ends"] else None
    if folds is not None and len(folds) == len(own):
        difference = folds - np.asarray(own)
        spread = float(np.std(difference, ddof=1))
        return spread * math.sqrt(1 / len(own) + known["ratio"]), len(own) - 1
    mine = sem_of(best, target)
    unpaired = math.hypot(mine, sem) if sem is not None else math.nan
    return unpaired, max(len(own) - 1, 1)


def sentence(found: Sequence[Against]) -> str:
    """What there is to warn of, or nothing: a best model that a simple one matches."""
    matched = [a.name for a in found if a.noise is None and a.gap <= 0]
    matched += [a.name for a in found if a.noise is not None and a.gap <= a.noise]
    named = [name for name in ("random forest", "linear", "dummy") if name in matched]
    if not named:
        return ""
    *others, last = reversed(named)
    names = f"{', '.join(others)} or {last}" if others else last
    return f"the best trial does not beat the untuned {names} model by more than the noise"


def lines(history: History, known: Mapping[str, Any]) -> list[str]:
    """For a terminal: a line on each baseline, and a warning where one is warranted."""
    found = against(history, known)
    shown = [f"against {a.name} ({_with_sem(a)}): {a.verdict}" for a in found]
    said = sentence(found)
    return [one_line(line) for line in [*shown, *([f"beware: {said}"] if said else [])]]


def against_table(history: History, known: Mapping[str, Any]) -> Markup | None:
    """For the page; None where there is nothing to compare."""
    found = against(history, known)
    if not found:
        return None
    target = history.targets[0].name
    rows = [[a.name, _with_sem(a), a.verdict] for a in found]
    drawn = table(
        "Untuned models on the same folds",
        ["model", target, "the best trial is"],
        rows,
        numeric=[1],
    )
    said = sentence(found)
    if not said:
        return drawn
    return join([drawn, el("p", f"{said[0].upper()}{said[1:]}.", class_="bad")])


def _with_sem(one: Against) -> str:
    return (
        f"{number(one.value)} ± {number(one.sem, 2)}" if one.sem is not None else number(one.value)
    )
