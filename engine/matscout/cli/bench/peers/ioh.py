"""The functions of BBOB (Hansen et al. 2009) by ioh, as serve.py lets it answer.

{"do": "function", "number": 1, "instance": 1, "dimension": 5}
    {"low": -5.0, "high": 5.0, "optimum": 79.48}
{"do": "values", "number": 1, "instance": 1, "points": [[…], …]}    {"values": […]}
"""

from __future__ import annotations

from functools import cache
from typing import Any


class Session:
    """Nothing is kept between two questions but the functions themselves."""

    def function(self, number: int, instance: int, dimension: int) -> dict[str, Any]:
        found = _function(number, instance, dimension)
        bounds = found.bounds
        return {
            "low": float(bounds.lb[0]),
            "high": float(bounds.ub[0]),
            "optimum": float(found.optimum.y),
        }

    def values(self, number: int, instance: int, points: list[list[float]]) -> dict[str, Any]:
        found = _function(number, instance, len(points[0]))
        return {"values": [float(found(point)) for point in points]}


@cache
def _function(number: int, instance: int, dimension: int) -> Any:
    import ioh  # type: ignore[import-not-found]

    return ioh.get_problem(number, instance, dimension, ioh.ProblemClass.BBOB)
