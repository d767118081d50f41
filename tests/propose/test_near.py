from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from matscout.constraint import Simplex
from matscout.parameter import Categorical, Float, Int, Ordinal
from matscout.propose.near import COPIES, best_known, copies
from matscout.propose.search import best_new
from matscout.propose.toolbox import SpaceTools
from matscout.space import Space
from matscout.trial import State, Trial

SPACE = Space(
    (Float("x", 0.0, 1.0), Float("lr", 1e-4, 1.0, log=True), Categorical("k", ("a", "b")))
)


@dataclass
class Expects:
    """Most at x = .3, whatever was measured."""

    def mean_sd(self, X: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return -(X[:, 0] - 0.3).abs(), torch.ones(len(X))


def trial(number: int, x: float, value: float) -> Trial:
    params = {"x": x, "lr": 0.01, "k": "a"}
    return Trial(number, params, state=State.COMPLETE, values={"y": value})


def test_the_best_known_are_those_of_which_most_is_expected() -> None:
    lucky = [trial(0, 0.9, 50.0), trial(1, 0.25, 1.0), trial(2, 0.31, 0.0), trial(3, 0.0, 2.0)]
    found = best_known(SpaceTools(SPACE), Expects(), lucky)  # type: ignore[arg-type]
    assert [point["x"] for point in found] == [0.31, 0.25]
    assert best_known(SpaceTools(SPACE), Expects(), []) == []  # type: ignore[arg-type]


def test_starts_are_points_of_the_space_that_is_searched() -> None:
    """Here only with k = "b" and x up to one half."""
    held = Space((Float("x", 0.0, 0.5), Float("lr", 1e-4, 1.0, log=True), Categorical("k", ("b",))))
    trials = [trial(0, 0.2, 1.0), trial(1, 0.6, 1.0)]
    found = best_known(SpaceTools(held), Expects(), trials)  # type: ignore[arg-type]
    assert found == [{"x": 0.2, "lr": 0.01, "k": "b"}]


def test_copies_are_points_of_the_space_near_their_original() -> None:
    tools = SpaceTools(SPACE)
    here = {"x": 0.999, "lr": 0.01, "k": "b"}
    found = copies(tools, here, np.random.default_rng(0))
    assert found[0] == here and len(found) == 1 + COPIES
    assert all(SPACE.check(point) == point and point["k"] == "b" for point in found)
    away = np.abs(tools.encoding.rows(found) - tools.encoding.rows([here]))
    assert 0.01 < away[1:, 1].std() * 2 < 0.1 and away.max() < 0.1
    assert found[1:] != [here] * COPIES


def test_what_does_not_exist_or_is_constrained_stays() -> None:
    space = Space(
        (
            Float("a", 0, 1),
            Float("b", 0, 1),
            Categorical("m", ("p", "q")),
            Float("x", 0, 1, when={"m": ("q",)}),
            Int("n", 1, 1000),
            Int("layers", 1, 2),
            Float("y", 0, 1, when={"layers": (2,)}),
        ),
        (Simplex(("a", "b")),),
    )
    here = {"a": 0.25, "b": 0.75, "m": "p", "n": 500, "layers": 1}
    found = copies(SpaceTools(space), here, np.random.default_rng(0))
    assert all(space.check(point) == point for point in found)
    assert {(p["a"], p["b"], p["m"]) for p in found} == {(0.25, 0.75, "p")}
    assert len({p["n"] for p in found}) > 10


def test_copies_of_numbers_in_cells_lie_around_their_original() -> None:
    space = Space(
        (
            Int("n", 1, 1000, log=True),
            Int("m", 0, 400),
            Float("g", 0.0, 20.0, step=0.05),
            Ordinal("o", tuple(range(300))),
        )
    )
    low, high = {"n": 10, "m": 2, "g": 0.1, "o": 3}, {"n": 800, "m": 398, "g": 19.9, "o": 296}
    rng = np.random.default_rng(0)
    for here in (low, {"n": 10, "m": 200, "g": 10.0, "o": 150}, high):
        found = [p for _ in range(30) for p in copies(SpaceTools(space), here, rng)[1:]]
        for p in space.parameters:
            median = np.median([float(point[p.name]) for point in found])
            assert abs(median - float(here[p.name])) <= max(2 * (getattr(p, "step", 1) or 1), 0.05 * here[p.name])  # fmt: skip


def test_a_number_of_one_value_stays() -> None:
    one = Ordinal("o", (3,))
    for parameters in (
        (Float("x", 0, 1), Float("y", 0, 1), one),
        (one, Float("x", 0, 1), Float("y", 0, 1)),
    ):
        space, here = Space(parameters), {"x": 0.2, "y": 0.9, "o": 3}
        found = copies(SpaceTools(space), here, np.random.default_rng(0))
        assert all(space.check(point) == point for point in found)
        for name in ("x", "y"):
            assert max(abs(float(point[name]) - here[name]) for point in found) < 0.1


def test_a_narrow_hill_beside_the_best_is_found() -> None:
    """Of 512 random points in six dimensions none comes near it."""
    space = Space(tuple(Float(name, 0, 1) for name in "abcdef"))
    tools = SpaceTools(space)
    top = torch.tensor([0.41, 0.52, 0.63, 0.34, 0.25, 0.76], dtype=torch.float64)

    def score(X: torch.Tensor) -> torch.Tensor:
        away = (X - top).square().sum(-1)
        return torch.exp(-away / 0.05**2) + 0.1 * X[:, 0]

    known = dict(zip("abcdef", (top + 0.02).tolist(), strict=True))
    alone = best_new(tools, score, set(), np.random.default_rng(0))
    found = best_new(tools, score, set(), np.random.default_rng(0), [known])
    assert alone is not None and found is not None
    rows = torch.from_numpy(tools.encoding.rows([alone, found]))
    assert score(rows)[0] < 0.2 and score(rows)[1] > 1.0
