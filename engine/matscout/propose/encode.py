"""Params as rows of numbers that a surrogate can measure distances between."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matscout.parameter import Categorical, Float, Parameter
from matscout.space import Space
from matscout.trial import Value

ABSENT = 0.5
"""Where a number stands that does not exist here: the middle, equally far from both ends."""


@dataclass
class Encoding:
    """Columns of a space, all within [0, 1].

    Numbers go to the unit interval (on the log scale where they have one), ordinals to
    index / (k - 1), categories to one-hot / sqrt 2, so that two categories are at distance 1, as
    the two ends of a number are. Each set of conditions adds a column that tells whether its
    parameters exist. `groups` names the parameter (or condition) of each column, so that a
    category has one lengthscale.
    """

    space: Space
    columns: list[str] = field(init=False, default_factory=list)
    groups: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._at: dict[str, int] = {}
        self._conditions: dict[str, Parameter] = {}
        for parameter in self.space.parameters:
            self._at[parameter.name] = len(self.columns)
            self._add(parameter.name, _width(parameter))
            if parameter.when:
                self._conditions.setdefault(_condition(parameter), parameter)
        self._first_condition = len(self.columns)
        for condition in self._conditions:
            self._add(condition, 1)
        if not self.columns:  # a single point: one column of zeros
            self._add("", 1)

    def rows(self, points: Sequence[Mapping[str, Value]]) -> NDArray[np.float64]:
        """(n, number of columns)"""
        out = np.zeros((len(points), len(self.columns)))
        for parameter in self.space.parameters:
            self._fill(out, parameter, points)
        for j, parameter in enumerate(self._conditions.values(), start=self._first_condition):
            out[:, j] = [parameter.name in point for point in points]
        return out

    def column(self, parameter: Parameter) -> int:
        """The first column of a parameter."""
        return self._at[parameter.name]

    def _fill(
        self, out: NDArray[np.float64], parameter: Parameter, points: Sequence[Mapping[str, Value]]
    ) -> None:
        at, name = self._at[parameter.name], parameter.name
        if _width(parameter) == 0:
            return
        if isinstance(parameter, Categorical):
            place = {json.dumps(choice): k for k, choice in enumerate(parameter.choices)}
            for row, point in enumerate(points):
                if name in point:
                    out[row, at + place[json.dumps(point[name])]] = math.sqrt(0.5)
        elif isinstance(parameter, Float) and parameter.step is None and not parameter.when:
            values = np.array([point[name] for point in points], dtype=float)
            out[:, at] = _unit(parameter, values)
        else:
            unit = {}
            for row, point in enumerate(points):
                value = point.get(name)
                if value is None:
                    out[row, at] = ABSENT
                else:
                    if value not in unit:
                        unit[value] = parameter.to_unit(value)  # type: ignore[arg-type]
                    out[row, at] = unit[value]

    def _add(self, name: str, width: int) -> None:
        group = self.groups[-1] + 1 if self.groups else 0
        self.columns += [name] * width
        self.groups += [group] * width


def _width(parameter: Parameter) -> int:
    if isinstance(parameter, Categorical):
        return 0 if parameter.count == 1 else parameter.count
    return 0 if parameter.count == 1 else 1


def _unit(parameter: Float, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if parameter.log:
        low, high = math.log(parameter.low), math.log(parameter.high)
        return (np.log(values) - low) / (high - low)
    return (values - parameter.low) / (parameter.high - parameter.low)


def _condition(parameter: Parameter) -> str:
    return json.dumps({name: list(values) for name, values in sorted(parameter.when.items())})
