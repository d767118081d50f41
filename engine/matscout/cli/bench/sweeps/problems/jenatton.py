"""Jenatton's conditional problem: a tree of switches, each leaf with parameters of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matscout.cli.bench.sweeps.problems.problem import Array, Observed, Single
from matscout.parameter import Categorical, Float
from matscout.space import Space
from matscout.trial import Params


def space() -> Space:
    """x1 decides between x2 and x3, and which of r8 and r9 exists; x2 and x3 decide between x4 to
    x7. Bounds as in Ax (x4 to x7 from -1), so that the optimum is not a corner."""
    return Space(
        (
            Categorical("x1", (0, 1)),
            Categorical("x2", (0, 1), when={"x1": (0,)}),
            Categorical("x3", (0, 1), when={"x1": (1,)}),
            Float("x4", -1.0, 1.0, when={"x2": (0,)}),
            Float("x5", -1.0, 1.0, when={"x2": (1,)}),
            Float("x6", -1.0, 1.0, when={"x3": (0,)}),
            Float("x7", -1.0, 1.0, when={"x3": (1,)}),
            Float("r8", 0.0, 1.0, when={"x1": (0,)}),
            Float("r9", 0.0, 1.0, when={"x1": (1,)}),
        )
    )


def value(params: Params) -> float:
    """Jenatton, Archambeau, González and Seeger, Bayesian optimization with tree-structured
    dependencies, ICML 2017, section 5.1:

        x4² + .1 + r8 (x1 = x2 = 0), x5² + .2 + r8 (x1 = 0, x2 = 1),
        x6² + .3 + r9 (x1 = 1, x3 = 0), x7² + .4 + r9 (x1 = x3 = 1).
    """
    if params["x1"] == 0:
        own, shift = ("x4", 0.1) if params["x2"] == 0 else ("x5", 0.2)
        shared = "r8"
    else:
        own, shift = ("x6", 0.3) if params["x3"] == 0 else ("x7", 0.4)
        shared = "r9"
    return float(params[own]) ** 2 + shift + float(params[shared])


@dataclass(frozen=True)
class JenattonProblem(Single):
    def observed(self, params: Params, trial: int, seed: int) -> Observed:
        return Observed((value(params),))

    def true(self, points: Sequence[Params]) -> tuple[Array, NDArray[np.bool_]]:
        return np.array([value(p) for p in points]), np.ones(len(points), dtype=bool)

    @property
    def optimum(self) -> float:
        return 0.1


def jenatton() -> JenattonProblem:
    return JenattonProblem("jenatton", "conditional", space(), 60, said="9 parameters, 4 at a time")
