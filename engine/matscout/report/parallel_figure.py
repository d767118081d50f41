"""Parallel coordinates: every trial a line through its parameters down to its value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.parameter import Parameter
from matscout.report.chance import thinned
from matscout.report.markup import Markup, el, figure, number, shortened
from matscout.report.parameter_axis import parameter_axis
from matscout.report.progress_figure import measured, named, value_axis
from matscout.report.svg import LETTER, Axis, legend, legible
from matscout.space import Space
from matscout.trial import Trial

Array = NDArray[np.float64]

MOST, MOST_BLUE = 240, 60
"""Lines at most, and of them of the best tenth: more are a field of one colour."""

MOST_PARAMETERS = 16

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 440, 14, 14, 50, 26
_ABSENT = "absent"
_THERE = 0.86
"""A parameter that does not always exist leaves the rest of its axis to the trials without it."""


def parallel_figure(space: Space, history: History) -> Markup | None:
    """Axes lie across, one below the other, so that names can be read on a phone. None for a pool,
    for one parameter, or before there are two values."""
    trials, y = measured(history)
    shown = space.parameters[:MOST_PARAMETERS]
    if len(shown) < 2 or len(y) < 2:
        return None
    target = history.targets[0]
    order = np.argsort(-target.sign * y, kind="stable")  # the best first, of equals the earliest
    tenth = order[: math.ceil(len(y) / 10)]
    others = order[len(tenth) :]
    blue = tenth[thinned(len(tenth), MOST_BLUE) - 1]
    grey = others[thinned(len(others), MOST - len(blue)) - 1]
    drawn = [*grey[::-1].tolist(), *blue[::-1].tolist()]
    axis, beyond = value_axis(y, target)
    columns = [_column(p, [trials[i] for i in drawn]) for p in shown]
    columns.append((_ticks_at(axis), axis.place(y[drawn])))
    labels = [*(p.name for p in shown), axis.label]
    lines = _lines(np.column_stack([at for _, at in columns]), drawn, len(grey), trials, y)
    notes = [
        f"Each line is a trial; the best tenth ({len(tenth)} of {len(y)}) is blue, the best red."
    ]
    if len(drawn) < len(y):
        notes.append(
            f"{len(blue)} of these and {len(grey)} of the others are drawn, evenly from best to worst."
        )
    if any(p.when for p in shown):
        notes.append(f"Where a parameter did not exist, the line passes “{_ABSENT}”.")
    if beyond:
        notes.append(f"{beyond} bad values lie beyond the axis and are drawn at its end.")
    if len(space.parameters) > len(shown):
        notes.append(f"The first {len(shown)} of {len(space.parameters)} parameters are shown.")
    entries = [("line", "c-red", "the best"), ("line", "c-blue", "best tenth")]
    entries.append(("line", "c-band", "the others"))
    told = " ".join(notes)
    drawing = _svg(labels, [ticks for ticks, _ in columns], lines, told)
    return figure(drawing, [told, legend(entries)], beside=True)


_Ticks = list[tuple[float, str]]
"""Where along the axis, in [0, 1], and what is written there."""


def _ticks_at(axis: Axis) -> _Ticks:
    return [(float(axis.place(value)), label) for value, label in axis.ticks]


def _column(parameter: Parameter, trials: Sequence[Trial]) -> tuple[_Ticks, Array]:
    """The ticks, and where each trial's line crosses, (n,) in [0, 1]."""
    there = [i for i, t in enumerate(trials) if parameter.name in t.params]
    axis, values = parameter_axis(parameter, [trials[i].params[parameter.name] for i in there])
    most = _THERE if parameter.when else 1.0
    across = np.ones(len(trials))
    across[there] = most * axis.place(values)
    ticks = [(most * at, label) for at, label in _ticks_at(axis)]
    if parameter.when:
        ends = 1.0 - (LETTER * len(_ABSENT) + 4) / (_WIDTH - _LEFT - _RIGHT)
        room = LETTER / 2 / (_WIDTH - _LEFT - _RIGHT)
        ticks = [(at, label) for at, label in ticks if at + room * len(label) < ends]
        ticks.append((1.0, _ABSENT))
    return ticks, across


def _lines(
    across: Array, drawn: list[int], grey: int, trials: Sequence[Trial], y: Array
) -> list[Markup]:
    """across (n, axes): the others, the best tenth, and last the best."""
    x = _LEFT + across * (_WIDTH - _LEFT - _RIGHT)
    up = [_TOP + row * _ROW for row in range(across.shape[1])]
    lines = []
    for place, (trial, row) in enumerate(zip(drawn, x.tolist(), strict=True)):
        points = " ".join(f"{a:.1f},{b}" for a, b in zip(row, up, strict=True))
        class_ = "line c-band" if place < grey else "line c-blue thin"
        if place == len(drawn) - 1:
            class_ = "line c-red"
        title = el("title", f"{named(trials[trial])}: {number(float(y[trial]))}")
        lines.append(el("polyline", title, points=points, class_=class_))
    return lines


def _svg(labels: list[str], axes: list[_Ticks], lines: list[Markup], told: str) -> Markup:
    right, wide = _WIDTH - _RIGHT, _WIDTH - _RIGHT - _LEFT
    frame = []
    for row, (label, ticks) in enumerate(zip(labels, axes, strict=True)):
        up = _TOP + row * _ROW
        frame.append(el("path", d=f"M{_LEFT} {up}H{right}", class_="axis"))
        name = shortened(label, (_WIDTH - 12) // 7)
        frame.append(el("text", name, x=4, y=up - 9, class_="label halo", text_anchor="start"))
        for at, _ in ticks:
            frame.append(el("path", d=f"M{_LEFT + at * wide:.1f} {up}v4", class_="axis"))
        for x, tick in legible([(_inside(_LEFT + at * wide, tick), tick) for at, tick in ticks]):
            words = {"y": up + 16, "class_": "tick halo", "text_anchor": "middle"}
            frame.append(el("text", tick, x=f"{x:.1f}", **words))
    height = _TOP + (len(axes) - 1) * _ROW + 24
    return el(
        "svg",
        el("title", "Parallel coordinates", id="parallel-title"),
        el("desc", told, id="parallel-desc"),
        el("g", lines),
        el("g", frame, aria_hidden="true"),
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_labelledby="parallel-title parallel-desc",
        xmlns="http://www.w3.org/2000/svg",
    )


def _inside(x: float, words: str) -> float:
    """The place nearest to x where words stay on the drawing."""
    half = LETTER * len(words) / 2 + 1
    return min(max(x, half), _WIDTH - half)
