"""Each parameter against the value: the plainest view of a sweep, without a model in between."""

from __future__ import annotations

import numpy as np

from matscout.history import History
from matscout.report.chance import thinned
from matscout.report.markup import Markup, el, number
from matscout.report.parameter_axis import parameter_axis
from matscout.report.progress_figure import measured, named, value_axis
from matscout.report.svg import Canvas
from matscout.space import Space

MOST = 16
"""Panels at most, in the order of the space."""

MOST_TRIALS = 2000
MOST_DOTS = 8000
"""In one panel, and in all together: a browser opens more only slowly."""


def parameter_figures(space: Space, history: History) -> Markup | None:
    """Small panels, one a parameter; None for a pool, or before there are two values."""
    trials, y = measured(history)
    if not space.parameters or len(y) < 2:
        return None
    target = history.targets[0]
    axis, beyond = value_axis(y, target)
    best = int(np.argmax(target.sign * y))
    panels = []
    most = min(MOST_TRIALS, MOST_DOTS // min(len(space.parameters), MOST))
    kept = sorted({*(thinned(len(y), most) - 1).tolist(), best})
    for i, parameter in enumerate(space.parameters[:MOST]):
        rows = [k for k in kept if parameter.name in trials[k].params]
        across, positions = parameter_axis(
            parameter, [trials[k].params[parameter.name] for k in rows]
        )
        canvas = Canvas(across, axis, 300, 200)
        for k, x in zip(rows, positions, strict=True):
            title = f"{named(trials[k])}: {trials[k].params[parameter.name]}: {number(float(y[k]))}"
            canvas.dot(x, float(y[k]), "f-blue faint", title, r=3)
        if best in rows:
            canvas.dot(positions[rows.index(best)], float(y[best]), "next", "the best", r=6)
        told = f"{parameter.name} against {target.name}, {len(rows)} trials, the best one ringed"
        panels.append(el("figure", canvas.svg(f"parameter-{i}", parameter.name, told)))
    notes = ["The best trial is ringed."]
    if beyond:
        notes.append(f"{beyond} bad values lie beyond the axis and are drawn at its end.")
    if len(kept) < len(y):
        notes.append(f"{len(kept)} of {len(y)} trials are drawn, evenly in their order.")
    if len(space.parameters) > MOST:
        notes.append(f"The first {MOST} of {len(space.parameters)} parameters are shown.")
    return el("div", el("p", " ".join(notes), class_="soft"), el("div", panels, class_="many"))
