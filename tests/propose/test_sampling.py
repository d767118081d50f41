from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.constraint import Linear, Simplex
from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.propose.sampling import Sampler, canonical
from matscout.space import Space

CONDITIONAL = Space(
    (
        Categorical("model", ("svm", "forest")),
        Float("C", 1e-3, 1e3, log=True, when={"model": ("svm",)}),
        Int("trees", 1, 50, when={"model": ("forest",)}),
    )
)
COMPOSITION = Space(
    (Float("a", 0.0, 1.0), Float("b", 0.0, 1.0), Float("c", 0.0, 1.0)), (Simplex(tuple("abc")),)
)
ON_GRID = Space(tuple(Float(n, 0.0, 1.0, step=0.05) for n in "abcd"), (Simplex(tuple("abcd")),))


def test_uniform_on_a_simplex() -> None:
    points = Sampler(COMPOSITION).uniform(3000, np.random.default_rng(0))
    table = np.array([[p["a"], p["b"], p["c"]] for p in points])
    assert np.allclose(table.mean(axis=0), 1 / 3, atol=0.02)
    assert np.allclose((table < 0.5).mean(axis=0), 0.75, atol=0.03)


def test_close_to_uniform_on_a_simplex_of_grid_values() -> None:
    points = Sampler(ON_GRID).uniform(2000, np.random.default_rng(0))
    table = np.array([[p[n] for n in "abcd"] for p in points], dtype=float)
    assert np.allclose(table.sum(axis=1), 1.0)
    assert np.allclose(table.mean(axis=0), 0.25, atol=0.02)
    # Of the 1,771 compositions most should be met about once.
    assert len({tuple(row) for row in np.round(table, 2).tolist()}) > 900


def test_conditions_are_kept_and_branches_drawn_evenly() -> None:
    points = Sampler(CONDITIONAL).uniform(2000, np.random.default_rng(0))
    assert {frozenset(p) for p in points} == {
        frozenset({"model", "C"}),
        frozenset({"model", "trees"}),
    }
    share = Counter(p["model"] for p in points)
    assert abs(share["svm"] - 1000) < 100
    logs = np.log10([float(p["C"]) for p in points if "C" in p])
    assert abs(logs.mean()) < 0.2 and logs.min() < -2 and logs.max() > 2


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any),
    st.sampled_from(["<=", ">=", "=="]),
    st.sampled_from([None, 0.1, 0.25]),
)
def test_every_point_satisfies_every_constraint(
    seed: int, coefficients: list[int], op: str, step: float | None
) -> None:
    """A linear constraint through a point of the grid, so that there is one to be found."""
    corner = 0.5 * coefficients[0] + 3.0 * coefficients[1] + 0.5 * coefficients[2]
    space = Space(
        (Float("a", 0.0, 1.0, step=step), Int("b", 0, 10), Float("c", 0.0, 1.0)),
        (Linear(dict(zip("abc", coefficients, strict=True)), op, corner),),  # type: ignore[arg-type]
    )
    sampler, rng = Sampler(space), np.random.default_rng(seed)
    points = sampler.uniform(20, rng)
    assert len(points) == 20
    for point in points:
        assert space.check(point) == point
        broken = {**point, "a": space.by_name["a"].from_unit(rng.random())}
        mended = sampler.repair(broken, rng)
        assert mended is None or space.check(mended) == mended
    for moved in sampler.region.moves(points[0], 5, 0.1, rng) if sampler.region else ():
        assert space.satisfied(moved)


def test_repair_changes_little() -> None:
    sampler, rng = Sampler(COMPOSITION), np.random.default_rng(0)
    near = {"a": 0.5, "b": 0.3, "c": 0.2 + 3e-3}
    mended = sampler.repair(near, rng)
    assert mended is not None and COMPOSITION.satisfied(mended)
    assert all(abs(float(mended[n]) - near[n]) < 3e-3 for n in "abc")
    assert sampler.repair(mended, rng) == mended


def test_grid_values_at_which_rounding_goes_beyond_the_end() -> None:
    """0.7 / (0.1 / 0.7) * (0.1 / 0.7) and the like is a little more than 0.7."""
    grid = tuple(Float(n, 0.0, 0.7, step=0.1) for n in "abc")
    space = Space(grid, (Simplex(tuple("abc")),))
    for seed in range(20):
        for point in Sampler(space).uniform(30, np.random.default_rng(seed)):
            assert space.check(point) == point
    for low, high, step in ((0.0, 0.7, 0.1), (0.1, 0.7, 0.1), (0.2, 1.2, 0.2), (0.05, 1.35, 0.05)):
        space = Space(
            (Float("a", low, high, step=step), Float("b", low, high, step=step)),
            (Linear({"a": 1.0, "b": 1.0}, ">=", 2 * high - step),),
        )
        points = Sampler(space).uniform(20, np.random.default_rng(0))
        assert len(points) == 20 and all(space.check(point) == point for point in points)


def test_mixed_sums_over_grids_and_continua() -> None:
    space = Space(
        (Ordinal("a", (0, 10, 30)), Ordinal("b", (0, 20, 50)), Float("c", 0.0, 100.0)),
        (Simplex(("a", "b", "c"), 100.0),),
    )
    points = Sampler(space).uniform(300, np.random.default_rng(0))
    assert {(p["a"], p["b"]) for p in points} == {(a, b) for a in (0, 10, 30) for b in (0, 20, 50)}


def test_neighbours_differ_in_one_listed_value_and_what_hangs_on_it() -> None:
    rng = np.random.default_rng(0)
    around = list(Sampler(CONDITIONAL).neighbours({"model": "svm", "C": 1.0}, rng))
    assert [set(p) for p in around] == [{"model", "trees"}]
    around = list(Sampler(CONDITIONAL).neighbours({"model": "forest", "trees": 25}, rng))
    steps = sorted(int(p["trees"]) - 25 for p in around if "trees" in p)
    assert steps == [-16, -8, -4, -2, -1, 1, 2, 4, 8, 16]


@pytest.mark.parametrize("p", [Int("n", 1, 10**6), Int("n", 1, 10**6, log=True)])
def test_neighbours_in_a_long_list_are_near_and_far(p: Int) -> None:
    space, rng = Space((p,)), np.random.default_rng(0)
    for value in (1, 2, 10, 1000, 20_000, *(() if p.log else (500_000, 10**6))):
        around = [int(q["n"]) for q in Sampler(space).neighbours({"n": value}, rng)]
        assert all(space.check({"n": n}) for n in around) and value not in around
        assert {n for n in (value - 1, value + 1) if 1 <= n <= 10**6} <= set(around)
        assert max(abs(n - value) for n in around) > 1_000


def test_canonical_values() -> None:
    space = Space((Int("n", 0, 9), Float("x", 0, 1, step=0.1), Categorical("k", (1, True))))
    held = canonical(space, {"n": 3.0, "x": 0.30000000000000004, "k": True})
    assert repr(held) == repr({"n": 3, "x": 0.30000000000000004, "k": True})
    assert (
        Space((Float("x", 0, 1),)).key(canonical(Space((Float("x", 0, 1),)), {"x": 1}))
        == '{"x": 1.0}'
    )


@pytest.mark.parametrize("space", [CONDITIONAL, COMPOSITION, ON_GRID])
def test_the_same_generator_gives_the_same_points(space: Space) -> None:
    first, second = (Sampler(space).uniform(5, np.random.default_rng(9)) for _ in range(2))
    assert first == second
