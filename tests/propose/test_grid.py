from __future__ import annotations

import pytest

from matscout.constraint import Linear, Simplex
from matscout.errors import InputError
from matscout.parameter import Categorical, Float, Int
from matscout.pool import Pool
from matscout.propose.grid import GridProposer
from matscout.propose.qmc import QmcProposer
from matscout.propose.sobol import SobolProposer
from matscout.space import Space

BRANCHED = Space(
    (
        Categorical("m", ("svm", "forest")),
        Float("C", 1e-3, 1e3, log=True, when={"m": ("svm",)}),
        Int("trees", 1, 100, when={"m": ("forest",)}),
    )
)


def everything(story, grid: GridProposer, space: Space) -> list[dict]:  # type: ignore[no-untyped-def]
    while proposals := grid.propose(space, story.history, 4, seed=0):
        for proposal in proposals:
            story.took(proposal)
    return [dict(t.params) for t in story.history.trials]


def test_each_branch_has_its_own_grid(tell) -> None:  # type: ignore[no-untyped-def]
    points = everything(tell(), GridProposer(points=4), BRANCHED)
    svm = sorted(p["C"] for p in points if p["m"] == "svm")
    assert svm == pytest.approx([1e-3, 1e-1, 1e1, 1e3])
    assert sorted(p["trees"] for p in points if p["m"] == "forest") == [1, 34, 67, 100]
    assert len(points) == 8


def test_forbidden_points_are_left_out_and_sums_are_kept(tell) -> None:  # type: ignore[no-untyped-def]
    square = (Float("a", 0, 1), Float("b", 0, 1))
    half = Space(square, (Linear({"a": 1, "b": 1}, "<=", 1.0),))
    assert len(everything(tell(), GridProposer(), half)) == 15
    mixture = Space((*square, Float("c", 0.1, 0.7)), (Simplex(("a", "b", "c")),))
    points = everything(tell(), GridProposer(), mixture)
    assert len(points) > 10 and all(mixture.satisfied(p) for p in points)


def test_the_seed_of_the_run_shuffles_and_the_ask_does_not(tell) -> None:  # type: ignore[no-untyped-def]
    orders = [everything(tell(seed=seed), GridProposer(), BRANCHED) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(map(repr, orders[0])) == sorted(map(repr, orders[2]))


def test_too_large_a_grid_and_pools_are_refused(tell) -> None:  # type: ignore[no-untyped-def]
    wide = Space(tuple(Float(f"x{k}", 0, 1) for k in range(8)))
    with pytest.raises(InputError, match=r"390,?625|3\.91e\+05"):
        GridProposer().propose(wide, tell().history, 1, seed=0)
    with pytest.raises(InputError, match="points: must be a whole number"):
        GridProposer(points=1)
    with pytest.raises(InputError, match="grid cannot choose from a pool"):
        pool = Space(pool=Pool(("a",), {"x": (1.0,)}, ("x",)))
        GridProposer().propose(pool, tell().history, 1, seed=0)


def test_qmc_is_even_at_every_number_of_points(tell) -> None:  # type: ignore[no-untyped-def]
    """Of 30 points in the square, each third of each axis holds 10 with Halton, give or take one."""
    square = Space((Float("a", 0, 1), Float("b", 0, 1)))
    story = tell()
    for ask in range(30):
        story.took(QmcProposer().propose(square, story.history, 1, seed=ask)[0])
    for name in "ab":
        thirds = [int(3 * float(t.params[name])) for t in story.history.trials]
        assert all(9 <= thirds.count(k) <= 11 for k in range(3))
    first = QmcProposer("sobol").propose(square, tell().history, 5, seed=0)
    assert [p.params for p in first] == [
        p.params for p in SobolProposer().propose(square, tell().history, 5, seed=0)
    ]
