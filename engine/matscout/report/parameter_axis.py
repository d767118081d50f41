"""The axis of a parameter, and where values lie along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matscout.parameter import Float, Int, Parameter, same
from matscout.report.svg import Axis
from matscout.trial import Value

_NAMES = 8
"""Names of a listed parameter at most; of more, every k-th is written."""


def parameter_axis(parameter: Parameter, values: Sequence[Value]) -> tuple[Axis, list[float]]:
    """From end to end of the parameter, log where it is; a listed one has its values side by side."""
    if isinstance(parameter, Float | Int):
        ends = [float(parameter.low), float(parameter.high)]
        axis = Axis.over(ends, parameter.name, log=parameter.log)
        if isinstance(parameter, Int):
            axis = replace(axis, ticks=tuple(t for t in axis.ticks if t[0] == int(t[0])))
        return axis, [float(v) for v in values]
    listed = list(parameter.values())
    axis = Axis.of_names([str(v) for v in listed], parameter.name)
    axis = replace(axis, ticks=axis.ticks[:: -(-len(listed) // _NAMES)])
    if parameter.type == "ordinal":  # 16 and 16.0 are one level
        return axis, [float(listed.index(v)) for v in values]
    return axis, [float(next(i for i, v in enumerate(listed) if same(v, x))) for x in values]
