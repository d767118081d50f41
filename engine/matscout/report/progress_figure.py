"""How far the run has come, beside a random order of the same measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matscout.goal import Goal
from matscout.history import History
from matscout.propose.observations import feasible_trials, value_of
from matscout.report.chance import Band, best_so_far, found_so_far, thinned
from matscout.report.markup import Markup, Part, figure, number, shortened
from matscout.report.svg import Axis, Canvas, legend
from matscout.trial import Target, Trial

Array = NDArray[np.float64]

MOST = 2000
"""Dots at most, evenly along the run; those that were the best of their time besides."""

_SPEND = 6.0
"""An axis shows values down to this many times the spread of the better half beyond the median: one
exploded loss would press all others into a line."""


def measured(history: History) -> tuple[list[Trial], Array]:
    """Trials of feasible points with a value of the first target, in the order of completion, and
    the values (n,)."""
    target = history.targets[0]
    pairs = [(t, value_of(t, target)) for t in feasible_trials(history)]
    known = [(t, v) for t, v in pairs if v is not None]
    return [t for t, _ in known], np.array([v for _, v in known], dtype=float)


def axis_name(target: Target) -> str:
    unit = f" ({target.unit})" if target.unit else ""
    return f"{shortened(target.name, 30)}{unit}"


def named(trial: Trial) -> str:
    return trial.candidate if trial.candidate is not None else f"trial {trial.id}"


def value_axis(y: Array, target: Target) -> tuple[Axis, int]:
    """An axis for the values, and how many (bad ones) lie beyond its end."""
    better = "higher" if target.direction == "max" else "lower"
    label = f"{axis_name(target)}, {better} is better"
    if len(y) and y.min() > 0 and y.max() / y.min() > 1e3:
        return Axis.over(y, label, log=True), 0
    signed = target.sign * y
    shown = y
    if len(y) >= 4:
        median = float(np.median(signed))
        reach = _SPEND * float(signed.max() - median)
        if reach > 0 and np.isfinite(reach):
            shown = y[signed >= median - reach]
    return Axis.over(shown, label), len(y) - len(shown)


def progress_figure(history: History) -> Markup:
    """Each value, the best so far, and the exact band of random orders."""
    target = history.targets[0]
    trials, y = measured(history)
    axis, beyond = value_axis(y, target)
    canvas = Canvas(_count_axis(len(y)), axis, 440, 290)
    count = np.arange(1, len(y) + 1)
    entries = [("dot", "f-blue faint", "one experiment")]
    chance = None
    if len(y) >= 3:
        chance = _signed(best_so_far(target.sign * y, thinned(len(y))), target.sign)
        canvas.band(chance.steps.astype(float), chance.low, chance.high, "f-band")
        # Over decades a mean says only how large the largest is.
        middle = chance.median if axis.log else chance.mean
        canvas.line(chance.steps.astype(float), middle, "c-soft")
        entries += [
            ("area", "f-band", "nine in ten random orders"),
            ("line", "c-soft", "their median" if axis.log else "their mean"),
        ]
    best = target.sign * np.maximum.accumulate(target.sign * y)
    risen = np.flatnonzero(np.diff(best)) + 2
    shown = np.union1d(thinned(len(y), MOST), risen[-MOST:])
    for i in shown.tolist():
        told = f"{i}: {named(trials[i - 1])}: {number(float(y[i - 1]))}"
        canvas.dot(i, float(y[i - 1]), "f-blue faint", told)
    canvas.steps(count.astype(float), best, "c-blue")
    entries.insert(1, ("line", "c-blue", "best so far"))
    return figure(
        canvas.svg("progress", "Best value so far", _told(y, best, target, chance)),
        [
            _told(y, best, target, chance),
            *_beyond(beyond),
            *_fewer(len(shown), len(y)),
            legend(entries),
        ],
        beside=True,
    )


def finds_figure(history: History, goal: Goal) -> Markup | None:
    """For the goals threshold and rare: how many were found, beside chance."""
    if goal.kind not in ("threshold", "rare") or goal.threshold is None:
        return None
    target = history.targets[0]
    _, y = measured(history)
    if len(y) < 3:
        return None
    hits = target.sign * y >= target.sign * goal.threshold
    found = np.cumsum(hits).astype(float)
    chance = found_so_far(len(y), int(hits.sum()), thinned(len(y)))
    label = (
        f"found ({'at or above' if target.sign > 0 else 'at or below'} {number(goal.threshold)})"
    )
    canvas = Canvas(_count_axis(len(y)), Axis.over([0.0, *found.tolist()], label), 440, 260)
    canvas.band(chance.steps.astype(float), chance.low, chance.high, "f-band")
    canvas.line(chance.steps.astype(float), chance.mean, "c-soft")
    canvas.steps(np.arange(1.0, len(y) + 1), found, "c-blue")
    told = f"{int(hits.sum())} of {len(y)} measured candidates pass the limit."
    return figure(canvas.svg("finds", "Found so far", told), told, beside=True)


def _told(y: Array, best: Array, target: Target, chance: Band | None) -> str:
    if not len(y):
        return "Nothing has been measured yet."
    when = int(np.flatnonzero(best == best[-1])[0]) + 1
    told = f"The best of {len(y)} values is {number(float(best[-1]))} {target.unit}".rstrip()
    told += f", reached with experiment {when}."
    if chance is None:
        return told
    told += (
        " The grey band is exact: it holds nine in ten random orders of these same values. It"
        " knows only what was measured, so where mostly good candidates were chosen it is hard to"
        " beat, and a run inside it may still be far better than chance."
        f" A random order has its best among the first {when} in {100 * when / len(y):.0f} of 100"
        " cases."
    )
    return told


def _beyond(count: int) -> list[Part]:
    return [f" {count} bad values lie beyond the axis and are drawn at its end."] if count else []


def _fewer(shown: int, count: int) -> list[Part]:
    return [f" {shown} of {count} values are drawn as dots."] if shown < count else []


def _signed(band: Band, sign: float) -> Band:
    low, high = (band.low, band.high) if sign > 0 else (-band.high, -band.low)
    return Band(band.steps, sign * band.mean, sign * band.median, low, high)


def _count_axis(n: int) -> Axis:
    axis = Axis.over([1.0, max(n, 2)], "experiments with a value", pad=0.02)
    whole = tuple((v, label) for v, label in axis.ticks if v == int(v))
    return Axis(axis.low, axis.high, axis.label, False, whole)
