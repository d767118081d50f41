"""Engineering designs with outcome constraints: what counts is the best feasible value."""

from __future__ import annotations

import math
from typing import Any

from botorch.test_functions.synthetic import PressureVessel, SpeedReducer

from matscout.cli.bench.sweeps.problems.functions import FunctionProblem, space_of
from matscout.parameter import Float
from matscout.space import Space

THICKNESS = 0.0625
"""Inches between two plates that can be bought."""


def pressure_vessel() -> FunctionProblem:
    """The plates' thicknesses are on their grid. BoTorch rounds them in the objective but not in the
    constraints: off the grid its optimum would be a gap of rounding, at 5634."""
    function = PressureVessel()
    free = space_of(function).parameters
    plates = tuple(Float(p.name, 0.0, 10.0, step=THICKNESS) for p in free[:2])
    # Both are as thin as their plates of 13 and 7 allow, and the volume constraint is active.
    shell, head = 13 * THICKNESS, 7 * THICKNESS
    radius = shell / 0.0193
    length = (1_296_000.0 - 4.0 / 3.0 * math.pi * radius**3) / (math.pi * radius**2)
    best = (
        0.6224 * shell * radius * length
        + 1.7781 * head * radius**2
        + 3.1661 * shell**2 * length
        + 19.84 * shell**2 * radius
    )
    said = "plates on a grid of 1/16 inch"
    return _problem("pressure_vessel", Space((*plates, *free[2:])), function, best, said)


def speed_reducer() -> FunctionProblem:
    """Its optimum (Lemonge et al. 2010, 2996.3482) has shafts as thin as their stresses allow."""
    teeth, module, width, span = 17.0, 0.7, 3.5, (7.3, 7.8)
    pitch = module * teeth
    shafts = [
        ((math.hypot(745.0 * length / pitch, math.sqrt(load)) / most) * 10.0) ** (1.0 / 3.0)
        for length, load, most in zip(span, (16.9e6, 157.5e6), (1100.0, 850.0), strict=True)
    ]
    squares, cubes = (sum(shaft**power for shaft in shafts) for power in (2, 3))
    best = (
        0.7854 * width * module**2 * (3.3333 * teeth**2 + 14.9334 * teeth - 43.0934)
        - 1.508 * width * squares
        + 7.4777 * cubes
        + 0.7854 * sum(length * shaft**2 for length, shaft in zip(span, shafts, strict=True))
    )
    function = SpeedReducer()
    return _problem("speed_reducer", space_of(function), function, best, "")


def _problem(name: str, space: Space, function: Any, best: float, said: str) -> FunctionProblem:
    limits = function.num_constraints
    return FunctionProblem(
        name, "constrained", space, 60, limits=limits, function=function, best=best,
        said=f"{limits} constraints" + (f", {said}" if said else ""),
    )  # fmt: skip
