from __future__ import annotations

import math
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.constraint import Linear, Simplex
from matscout.errors import InputError
from matscout.parameter import Categorical, Float, Int, Ordinal, Parameter
from matscout.pool import Pool
from matscout.space import Space

names = st.text(string.ascii_letters + string.digits + " _-.%()/µ°é\"'#", min_size=1, max_size=12)
finite = st.floats(-1e12, 1e12, allow_nan=False)
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
labels = st.one_of(text, st.booleans(), st.integers(-(2**40), 2**40), finite)


def distinct(values: list[Any]) -> list[Any]:
    import json

    return list({json.dumps(v): v for v in values}.values())


@st.composite
def parameters(draw: st.DrawFn, name: str, when: dict[str, tuple[Any, ...]]) -> Parameter:
    kind = draw(st.sampled_from(["float", "int", "categorical", "ordinal"]))
    if kind == "float":
        log = draw(st.booleans())
        low = draw(st.floats(1e-9, 1e6) if log else finite)
        high = low + draw(st.floats(1e-3, 1e6)) + abs(low) * 1e-6
        step = None if log or draw(st.booleans()) else (high - low) / draw(st.integers(1, 50))
        return Float(name, low, high, log=log, step=step, when=when)
    if kind == "int":
        log = draw(st.booleans())
        low = draw(st.integers(1 if log else -(10**6), 10**6))
        high = low + draw(st.integers(1, 10**6))
        step = 1 if log else draw(st.integers(1, high - low))
        return Int(name, low, high, log=log, step=step, when=when)
    if kind == "categorical":
        return Categorical(name, tuple(distinct(draw(st.lists(labels, min_size=1)))), when=when)
    levels = sorted(set(draw(st.lists(finite, min_size=1, max_size=6))))
    return Ordinal(name, tuple(levels), when=when)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    chosen: list[Parameter] = []
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        when: dict[str, tuple[Any, ...]] = {}
        parents = [p for p in chosen if isinstance(p, Categorical | Ordinal)]
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            values = list(parent.values())
            when = {parent.name: tuple(values[: draw(st.integers(1, len(values)))])}
        chosen.append(draw(parameters(name, when)))
    free = [p.name for p in chosen if isinstance(p, Float) and not p.when]
    constraints: list[Any] = []
    if len(free) >= 2:
        constraints.append(Simplex(tuple(free[:2]), draw(st.floats(0.1, 10))))
    if free:
        constraints.append(Linear({free[0]: draw(finite)}, "<=", draw(finite)))
    return Space(tuple(chosen), tuple(constraints))


@given(spaces())
def test_toml_round_trip(space: Space) -> None:
    assert Space.from_toml(space.to_toml()) == space


@given(spaces(), st.integers(0, 2**32 - 1))
def test_points_of_the_unit_cube_are_points_of_the_space(space: Space, seed: int) -> None:
    import random

    draw = random.Random(seed)
    free = Space(space.parameters)
    params: dict[str, Any] = {}
    for p in free.parameters:
        if free.is_active(p, params):
            params[p.name] = p.from_unit(draw.random())
    assert free.check(params) == params
    assert free.active(params) == params
    for p in free.parameters:
        if p.name in params:
            unit = p.to_unit(params[p.name])
            assert -1e-9 <= unit <= 1 + 1e-9
            assert free.key({**params}) == free.key(dict(reversed(params.items())))


@given(st.data(), st.floats(0.0, 1.0))
def test_the_cell_of_a_value_is_drawn_as_that_value(data: st.DataObject, unit: float) -> None:
    p = data.draw(parameters("p", {}))
    value = p.from_unit(unit)
    cell = p.cell(value)  # type: ignore[arg-type]
    assert 0.0 <= cell <= 1.0
    if p.count is not None:
        assert p.from_unit(cell) == value
    else:
        assert math.isclose(cell, unit, abs_tol=1e-6)


@pytest.mark.parametrize(
    "p",
    [
        Int("n", 0, 3),
        Int("n", 2, 9, step=3),
        Float("x", 0.0, 0.7, step=0.1),
        Ordinal("o", (1, 10, 100, 5000)),
        Categorical("k", ("a", True, 2)),
    ],
    ids=lambda p: f"{p.type}-{p.count}",
)
def test_a_cell_is_the_middle_of_all_that_is_drawn_as_its_value(p: Parameter) -> None:
    units = [(k + 0.5) / 20_000 for k in range(20_000)]
    drawn: dict[Any, list[float]] = {}
    for unit in units:
        drawn.setdefault(p.from_unit(unit), []).append(unit)
    assert len(drawn) == p.count
    for value, there in drawn.items():
        assert math.isclose(p.cell(value), (there[0] + there[-1]) / 2, abs_tol=1e-4)


rows = st.lists(
    st.tuples(names, finite, text, st.integers(-5, 5)), min_size=1, unique_by=lambda r: r[0]
)


@given(rows)
def test_pool_toml_round_trip(table: list[tuple[str, float, str, int]]) -> None:
    pool = Pool.from_rows([{"id": i, "x": x, "note": t, "n": n} for i, x, t, n in table])
    space = Space(pool=pool)
    assert Space.from_toml(space.to_toml()) == space
    assert pool.features == ("x", "n")
    assert pool.matrix.shape == (len(table), 2)


def test_an_id_does_not_depend_on_the_position() -> None:
    table = [{"id": "a", "x": 1.0}, {"id": "b", "x": 2.0}]
    there, back = Pool.from_rows(table), Pool.from_rows(table[::-1])
    assert there.params("b") == back.params("b") == {"x": 2.0}


def test_children_may_be_written_before_their_parents() -> None:
    space = Space(
        (Float("momentum", 0, 1, when={"opt": ("sgd",)}), Categorical("opt", ("sgd", "adam")))
    )
    assert [p.name for p in space.parameters] == ["opt", "momentum"]
    assert space.active({"opt": "adam", "momentum": 0.5}) == {"opt": "adam"}
    with pytest.raises(InputError, match="does not exist under these values"):
        space.check({"opt": "adam", "momentum": 0.5})
    with pytest.raises(InputError, match="momentum is missing"):
        space.check({"opt": "sgd"})


def test_true_is_not_one() -> None:
    space = Space((Categorical("c", (True, 1, "1")),))
    assert space.count == 3
    assert len({space.key({"c": v}) for v in (True, 1, "1")}) == 3
    assert [type(v) for v in (space.check({"c": True})["c"], space.check({"c": 1})["c"])] == [
        bool,
        int,
    ]


def test_counting_points_under_conditions_and_constraints() -> None:
    space = Space(
        (Int("n", 1, 3), Categorical("k", ("a", "b")), Int("m", 1, 2, when={"k": ("b",)}))
    )
    assert space.count == 3 * (1 + 2)
    assert len({space.key(p) for p in space.points()}) == 9
    step = Space((Float("a", 0, 1, step=0.25), Float("b", 0, 1, step=0.25)), (Simplex(("a", "b")),))
    assert step.count == 5
    assert Space((Float("a", 0, 1),)).count is None


def test_simplex_and_linear() -> None:
    assert Simplex(("a", "b")).violation({"a": 0.3, "b": 0.7}) == 0
    assert Simplex(("a", "b")).violation({"a": 0.3, "b": 0.6}) == pytest.approx(0.1)
    line = Linear({"a": 1.0, "b": -2.0}, ">=", 0.5)
    assert line.violation({"a": 1.5, "b": 0.5}) == 0
    assert line.violation({"a": 1.0, "b": 0.5}) == pytest.approx(0.5)


BAD = {
    "bounds the wrong way round": (
        '[parameters.lr]\ntype = "float"\nlow = 1.0\nhigh = 0.1',
        "space.parameters.lr: low < high must hold, but got low=1.0, high=0.1; swap the bounds",
    ),
    "a misspelt key": (
        '[parameters.lr]\ntype = "float"\nlow = 0\nhihg = 1',
        "unknown key 'hihg'; did you mean 'high'?",
    ),
    "a misspelt type": (
        '[parameters.lr]\ntype = "flaot"\nlow = 0\nhigh = 1',
        "unknown type 'flaot'; did you mean 'float'?",
    ),
    "a missing bound": ('[parameters.lr]\ntype = "float"\nlow = 0', "high is missing"),
    "log of zero": (
        '[parameters.lr]\ntype = "float"\nlow = 0\nhigh = 1\nlog = true',
        "a log scale needs low > 0",
    ),
    "infinite": (
        '[parameters.lr]\ntype = "float"\nlow = 0\nhigh = inf',
        "high must be a finite number",
    ),
    "text for a number": (
        '[parameters.lr]\ntype = "int"\nlow = "0"\nhigh = 3',
        "low must be a whole",
    ),
    "a condition on nothing": (
        '[parameters.lr]\ntype = "float"\nlow = 0\nhigh = 1\nwhen = { optimiser = ["sgd"] }\n'
        '[parameters.optimizer]\ntype = "categorical"\nchoices = ["sgd"]',
        "refers to 'optimiser', which is no parameter; did you mean 'optimizer'?",
    ),
    "a condition on a value that never is": (
        '[parameters.lr]\ntype = "float"\nlow = 0\nhigh = 1\nwhen = { o = ["sdg"] }\n'
        '[parameters.o]\ntype = "categorical"\nchoices = ["sgd", "adam"]',
        "o never is 'sdg'; did you mean 'sgd'?",
    ),
    "a circle": (
        '[parameters.a]\ntype = "int"\nlow = 0\nhigh = 1\nwhen = { b = [1] }\n'
        '[parameters.b]\ntype = "int"\nlow = 0\nhigh = 1\nwhen = { a = [1] }',
        "conditions go round in a circle",
    ),
    "the same choice twice": (
        '[parameters.o]\ntype = "categorical"\nchoices = ["a", "a"]',
        'choices repeats "a"',
    ),
    "unsorted values": (
        '[parameters.o]\ntype = "ordinal"\nvalues = [2, 1]',
        "values must increase",
    ),
    "nothing to vary": ("", "there is nothing to vary"),
    "a constraint on nothing": (
        '[parameters.a]\ntype = "float"\nlow = 0\nhigh = 1\n'
        '[[constraints]]\ntype = "simplex"\nparameters = ["a", "b"]',
        "no parameter 'b'",
    ),
    "a bound beyond the floats": (
        '[parameters.a]\ntype = "float"\nlow = 0\nhigh = 1\n'
        '[[constraints]]\ntype = "linear"\ncoefficients = { a = 1 }\nop = "<="\nbound = '
        + 400
        * "9",
        "bound must be a finite number, got 9999",
    ),
    "a duplicate candidate": (
        '[pool]\n[[pool.candidates]]\nid = "x"\na = 1\n[[pool.candidates]]\nid = "x"\na = 2',
        "duplicate candidate id 'x'",
    ),
    "an empty pool": ("[pool]\ncandidates = []", "the pool is empty"),
    "not TOML": ("[parameters", "not TOML"),
}


@pytest.mark.parametrize("case", BAD)
def test_mistakes_are_named(case: str) -> None:
    toml, message = BAD[case]
    with pytest.raises(InputError) as caught:
        Space.from_toml(toml)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("low", "high", "step"), [(3.6, 3.8, 0.2), (0.1, 0.4, 0.3)])
def test_a_step_as_wide_as_the_range_makes_two_values(low: float, high: float, step: float) -> None:
    """3.8 - 3.6 is 0.19999999999999973."""
    p = Float("x", low, high, step=step)
    assert list(p.values()) == pytest.approx([low, high]) and p.count == 2
    assert all(p.canonical(value) == value for value in p.values())
    assert p.canonical(high) is not None


def test_integers_on_a_log_scale_cover_both_ends() -> None:
    p = Int("n", 1, 8, log=True)
    assert {p.from_unit(u / 1000) for u in range(1001)} == set(range(1, 9))
    assert p.to_unit(1) == 0 and p.to_unit(8) == 1 and math.isclose(p.to_unit(2), 1 / 3)
