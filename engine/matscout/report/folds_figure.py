"""The best few trials fold by fold: is their order more than the luck of the folds?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.report.folds import Reports, fold_scores
from matscout.report.markup import Markup, figure, number
from matscout.report.progress_figure import axis_name, measured, named
from matscout.report.svg import Axis, Canvas, legend

Array = NDArray[np.float64]

MOST = 6


def folds_figure(history: History, reports: Reports) -> Markup | None:
    """One row a trial, the best at the top, a dot a fold; None where there are no two trials with
    the same folds."""
    target = history.targets[0]
    trials, y = measured(history)
    rows: list[tuple[str, Array]] = []
    for i in np.argsort(-target.sign * y, kind="stable").tolist():
        scores = fold_scores(trials[i], target, reports)
        if scores is not None and (not rows or len(scores) == len(rows[0][1])):
            rows.append((named(trials[i]), scores))
        if len(rows) == MOST:
            break
    if len(rows) < 2:
        return None
    names = [name for name, _ in rows]
    folds = np.array([scores for _, scores in rows])  # (trials, folds)
    x = Axis.over(folds.ravel(), f"{axis_name(target)} of a fold")
    canvas = Canvas(x, Axis.of_names(names[::-1]), 440, 76 + 30 * len(rows))
    up = np.arange(len(rows), dtype=float)[::-1]
    for k in range(folds.shape[1]):
        canvas.line(folds[:, k], up, "c-band")
    for row, (name, scores) in zip(up.tolist(), rows, strict=True):
        for k, score in enumerate(scores.tolist(), start=1):
            canvas.dot(score, row, "f-blue faint", f"{name}, fold {k}: {number(score)}")
        mean = float(scores.mean())
        canvas.diamond(mean, row, "f-orange", f"{name}, mean: {number(mean)}")
    told = _told(target.sign * folds)
    entries = [("dot", "f-blue faint", "a fold"), ("diamond", "f-orange", "their mean")]
    entries.append(("line", "c-band", "the same fold"))
    drawing = canvas.svg("folds", "The best trials fold by fold", told)
    return figure(drawing, [told, legend(entries)], beside=True)


def _told(folds: Array) -> str:
    """folds (trials, folds): the best first, more is better."""
    means = folds.mean(axis=1)
    within = float(np.sqrt(folds.var(axis=1, ddof=1).mean()))
    wins = int((folds[0] > folds[1]).sum())
    said = (
        f"The means of these {len(folds)} trials differ by {number(float(np.ptp(means)), 2)}, the"
        f" {folds.shape[1]} folds of one trial by {number(within, 2)} (sd)."
    )
    return f"{said} The best is ahead of the second on {wins} of {folds.shape[1]} folds."
