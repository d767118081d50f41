from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from matscout.constraint import Linear, Simplex
from matscout.parameter import Categorical, Float, Int
from matscout.propose.distinct import key
from matscout.propose.search import best_new
from matscout.propose.toolbox import SpaceTools
from matscout.space import Space

Tensor = torch.Tensor


def hill(row: list[float], width: float = 3.0) -> Callable[[Tensor], Tensor]:
    """A bump with its top, 0, at `row`."""
    top = torch.tensor(row, dtype=torch.float64)
    return lambda X: -width * (X - top).square().sum(-1)


def search(space: Space, score: Callable[[Tensor], Tensor], taken: set[str] = frozenset()) -> dict:  # type: ignore[assignment, type-arg]
    found = best_new(SpaceTools(space), score, set(taken), np.random.default_rng(0))
    assert found is not None and space.check(found) == found
    return found


def test_continua_are_climbed_to_the_top() -> None:
    space = Space((Float("x", -1, 1), Float("lr", 1e-4, 1, log=True), Float("z", 0, 1)))
    found = search(space, hill([0.123456, 0.75, 1.0]))
    assert found["x"] == pytest.approx(-0.753088, abs=1e-4)
    assert found["lr"] == pytest.approx(0.1, rel=1e-3)
    assert found["z"] == pytest.approx(1.0, abs=1e-4)


def test_mixed_spaces_too_large_to_list() -> None:
    parameters = (
        Int("n", 1, 500),
        Categorical("k", tuple("abcdefgh")),
        Int("m", 0, 40),
        Float("x", 0, 1),
    )
    row = [(311 - 1) / 499, *[0.0] * 8, 17 / 40, 0.3]
    row[1 + 5] = 0.5**0.5
    found = search(Space(parameters), hill(row))
    assert (found["n"], found["k"], found["m"]) == (311, "f", 17)
    assert found["x"] == pytest.approx(0.3, abs=1e-3)


def test_branches_are_compared() -> None:
    space = Space(
        (
            Categorical("m", ("p", "q")),
            Float("x", 0, 1, when={"m": ("p",)}),
            Float("y", 0, 1, when={"m": ("q",)}),
            Int("n", 0, 10**6, when={"m": ("q",)}),
        )
    )
    wanted = SpaceTools(space).encoding.rows([{"m": "q", "y": 0.8, "n": 250_000}])[0]
    found = search(space, hill(wanted.tolist()))
    assert set(found) == {"m", "y", "n"}
    assert found["y"] == pytest.approx(0.8, abs=0.01)
    assert found["n"] == pytest.approx(250_000, rel=0.05)


def test_constraints_hold_at_the_top() -> None:
    space = Space(
        (Float("a", 0, 1), Float("b", 0, 1), Float("c", 0, 1), Float("x", 0, 1)),
        (Simplex(("a", "b", "c")), Linear({"a": 1}, "<=", 0.5)),
    )
    # Without constraints the top is at (1, 0.3, 0.2); on the simplex with a <= 0.5 it is nearby.
    found = search(space, hill([1.0, 0.3, 0.2, 0.4]))
    assert [found[n] for n in "abcx"] == pytest.approx([0.5, 0.3, 0.2, 0.4], abs=0.02)


def test_a_small_space_is_listed_and_what_is_taken_left_out() -> None:
    space = Space((Int("a", 0, 9), Int("b", 0, 9)))
    taken: set[str] = set()
    order = []
    for _ in range(5):
        found = search(space, hill([4 / 9, 4 / 9]), taken)
        taken.add(key(space, found))
        order.append((found["a"], found["b"]))
    assert order[0] == (4, 4) and set(order[1:]) == {(3, 4), (4, 3), (5, 4), (4, 5)}
    everything = {key(space, p) for p in space.points()}
    assert best_new(SpaceTools(space), hill([0, 0]), everything, np.random.default_rng(0)) is None


def test_the_same_corner_is_not_found_twice() -> None:
    space = Space((Float("x", 0, 1), Float("y", 0, 1)))
    first = search(space, hill([2.0, 2.0]))
    assert first == {"x": 1.0, "y": 1.0}
    second = search(space, hill([2.0, 2.0]), {key(space, first)})
    assert second != first and min(second.values()) > 0.8


def test_a_score_that_is_nan_somewhere_or_flat() -> None:
    space = Space((Float("x", 0, 1),))
    holed = lambda X: torch.where(X[:, 0] > 0.5, torch.nan, X[:, 0])  # noqa: E731
    assert float(search(space, holed)["x"]) <= 0.5
    search(space, lambda X: 0.0 * X.sum(-1))
