"""Constraints on parameters that exist in some branches only."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.constraint import Linear
from matscout.errors import InputError
from matscout.parameter import Categorical, Float, Int
from matscout.propose.sampler.linear import LinearSpace
from matscout.propose.sampling import Sampler

KINDS = Categorical("kind", ("a", "b", "c"))
X = Float("x", 0, 1)


def sampler(*constraints: Linear) -> Sampler:
    parameters = (
        KINDS,
        X,
        Float("y", 0, 1, when={"kind": ("a", "b")}),
        Int("n", 1, 5, when={"kind": ("b",)}),
    )
    return Sampler(LinearSpace(parameters, constraints))


def allowed(point: dict[str, object], constraints: list[Linear]) -> bool:
    met = [c for c in constraints if all(name in point for name in c.parameters)]
    return not any(c.violation(point) for c in met)  # type: ignore[arg-type]


# Tight enough that random points hardly ever keep them: the regions must do it.
TIGHT = [
    Linear({"x": 1, "y": 1}, "==", 0.9),
    Linear({"y": 10, "n": 1}, "<=", 5),
    Linear({"x": 1}, ">=", 0.5),
]


def test_points_moves_and_repairs_keep_what_counts_in_their_branch() -> None:
    made, rng = sampler(*TIGHT), np.random.default_rng(0)
    points = made.uniform(60, rng)
    assert len(points) == 60
    assert {p["kind"] for p in points} == {"a", "b", "c"}
    for point in points:
        assert allowed(point, TIGHT) and made.space.satisfied(point)
        assert ("y" in point) == (point["kind"] != "c") and ("n" in point) == (point["kind"] == "b")
    free = [p["x"] for p in points if p["kind"] == "c"]
    assert max(free) > 0.92, "the sum with y counts only where y is"  # type: ignore[type-var]
    for point in points[:12]:
        near = [*made.moves(point, 8, 0.2, rng), *made.neighbours(point, rng)]
        assert near and all(allowed(p, TIGHT) for p in near)
        assert all(set(p) == set(made.space.active(p)) for p in near)
    mended = made.repair({"kind": "b", "x": 0.1, "y": 0.9, "n": 5}, rng)
    assert mended is not None and allowed(mended, TIGHT)


def test_a_branch_without_room_is_left_out_and_none_at_all_is_said() -> None:
    rng = np.random.default_rng(0)
    closed = sampler(Linear({"y": 1, "n": 1}, "<=", 0.5))  # n is 1 or more: no "b"
    assert {p["kind"] for p in closed.uniform(30, rng)} == {"a", "c"}
    with pytest.raises(InputError, match="no point satisfies"):
        sampler(Linear({"x": 1}, ">=", 2))


def test_where_a_constrained_parameter_opens_the_branch() -> None:
    layers = Int("layers", 1, 3)
    width = Int("width", 1, 9, when={"layers": (2, 3)})
    rules = (Linear({"layers": 3, "width": 1}, "<=", 10), Linear({"layers": 1}, ">=", 2))
    made, rng = Sampler(LinearSpace((layers, width), rules)), np.random.default_rng(0)
    points = made.uniform(20, rng)
    assert points and all(p["layers"] in (2, 3) and made.space.satisfied(p) for p in points)
    assert made.space.count == 5  # widths 1 to 4 beside two layers, 1 beside three
