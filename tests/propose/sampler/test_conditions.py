"""Conditions learned from which trials had which parameter."""

from __future__ import annotations

from matscout.parameter import Categorical, Float, Int, Parameter
from matscout.propose.sampler.conditions import conditions

MODEL = Categorical("model", (0, 1, 2))
X, Y = Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)


def named(*parameters: Parameter) -> dict[str, Parameter]:
    return {p.name: p for p in parameters}


def test_a_branch_is_found() -> None:
    points = [{"model": 0, "x": 0.1}, {"model": 1, "y": 0.2}, {"model": 2, "x": 0.3}]
    known, unexplained = conditions(points, named(MODEL, X, Y))
    assert known == {"x": {"model": (0, 2)}, "y": {"model": (1,)}}
    assert not unexplained


def test_what_every_trial_has_needs_no_condition() -> None:
    assert conditions([{"x": 0.1}, {"x": 0.2}], named(X)) == ({}, set())


def test_branches_within_branches_hang_on_the_inner_parent() -> None:
    kernel = Categorical("kernel", (0, 1))
    points = [
        {"model": 0, "kernel": 0, "x": 0.1},
        {"model": 0, "kernel": 1},
        {"model": 1},
        {"model": 2},
    ]
    known, _ = conditions(points, named(MODEL, kernel, X))
    assert known == {"kernel": {"model": (0,)}, "x": {"kernel": (0,)}}


def test_two_conditions_at_once() -> None:
    a, b = Categorical("a", (0, 1)), Categorical("b", (0, 1))
    points = [{"a": 1, "b": 1, "x": 0.5}, {"a": 1, "b": 0}, {"a": 0, "b": 1}, {"a": 0, "b": 0}]
    assert conditions(points, named(a, b, X))[0] == {"x": {"a": (1,), "b": (1,)}}


def test_an_ordered_parent_splits() -> None:
    layers = Int("layers", 1, 6)
    points = [{"layers": 1}, {"layers": 2}, {"layers": 4, "x": 0.5}]
    assert conditions(points, named(layers, X))[0] == {"x": {"layers": (3, 4, 5, 6)}}
    assert conditions(points[:1:-1] + points[:1] + [{"layers": 6, "x": 0.1}], named(layers, X))[
        0
    ] == {"x": {"layers": (2, 3, 4, 5, 6)}}


def test_a_value_never_met_may_have_it_all() -> None:
    points = [{"model": 0, "x": 0.1}, {"model": 1, "y": 0.2}]
    known, _ = conditions(points, named(MODEL, X, Y))
    assert known == {"x": {"model": (0, 2)}, "y": {"model": (1, 2)}}


def test_a_continuous_switch_stays_unexplained() -> None:
    points = [{"x": 0.9, "y": 0.5}, {"x": 0.1}]
    assert conditions(points, named(X, Y)) == ({}, {"y"})


def test_a_parent_that_is_contradicted_is_given_up() -> None:
    points = [{"model": 0, "x": 0.1}, {"model": 1}, {"model": 0}]
    assert conditions(points, named(MODEL, X)) == ({}, {"x"})
