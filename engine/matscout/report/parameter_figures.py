"""Each parameter against the value: the plainest view of a sweep, without a model in between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from matscout.history import History
from matscout.parameter import Categorical, Float, Int, Parameter
from matscout.report.markup import Markup, el, number
from matscout.report.progress_figure import measured, named, value_axis
from matscout.report.svg import Axis, Canvas
from matscout.space import Space

MOST = 16
"""Panels at most, in the order of the space."""


def parameter_figures(space: Space, history: History) -> Markup | None:
    """Small panels, one a parameter; None for a pool, or before there are two values."""
    trials, y = measured(history)
    if not space.parameters or len(y) < 2:
        return None
    target = history.targets[0]
    axis, beyond = value_axis(y, target)
    best = int(np.argmax(target.sign * y))
    panels = []
    for i, parameter in enumerate(space.parameters[:MOST]):
        rows = [k for k, t in enumerate(trials) if parameter.name in t.params]
        across, positions = _axis(parameter, [trials[k].params[parameter.name] for k in rows])
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
    if len(space.parameters) > MOST:
        notes.append(f"The first {MOST} of {len(space.parameters)} parameters are shown.")
    return el("div", el("p", " ".join(notes), class_="soft"), el("div", panels, class_="many"))


def _axis(parameter: Parameter, values: list[object]) -> tuple[Axis, list[float]]:
    if isinstance(parameter, Float | Int):
        numbers = [float(v) for v in values]  # type: ignore[arg-type]
        ends = [float(parameter.low), float(parameter.high)]
        axis = Axis.over(ends, parameter.name, log=parameter.log)
        if isinstance(parameter, Int):
            axis = replace(axis, ticks=tuple(t for t in axis.ticks if t[0] == int(t[0])))
        return axis, numbers
    listed = parameter.choices if isinstance(parameter, Categorical) else tuple(parameter.values())
    names = [str(choice) for choice in listed]
    places = {name: float(i) for i, name in enumerate(names)}
    if len(names) > 8:
        step = -(-len(names) // 8)
        axis = Axis.of_names(names, parameter.name)
        return Axis(axis.low, axis.high, axis.label, False, axis.ticks[::step]), [
            places[str(v)] for v in values
        ]
    return Axis.of_names(names, parameter.name), [places[str(v)] for v in values]
