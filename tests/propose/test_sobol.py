from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from matscout.constraint import Linear
from matscout.parameter import Float
from matscout.pool import Pool
from matscout.propose.sobol import SobolProposer
from matscout.space import Space

SQUARE = Space((Float("a", 0, 1), Float("b", 0, 1)))


def run(tell, proposer, space: Space, n: int, seed: int = 3):  # type: ignore[no-untyped-def]
    story = tell(seed=seed)
    for ask in range(n):
        story.took(proposer.propose(space, story.history, 1, seed=ask)[0])
    return story.history


def test_more_even_than_chance(tell) -> None:  # type: ignore[no-untyped-def]
    history = run(tell, SobolProposer(), SQUARE, 64)
    points = np.array([[t.params["a"], t.params["b"]] for t in history.trials])
    chance = np.random.default_rng(0).random((64, 2))
    assert qmc.discrepancy(points) < 0.2 * qmc.discrepancy(chance)


def test_the_sequence_belongs_to_the_run_unless_it_is_fixed(tell) -> None:  # type: ignore[no-untyped-def]
    def points(seed: int, scramble: int | None):  # type: ignore[no-untyped-def]
        history = run(tell, SobolProposer(scramble), SQUARE, 4, seed)
        return [dict(t.params) for t in history.trials]

    assert points(1, None) == points(1, None) != points(2, None)
    assert points(1, 7) == points(2, 7)


def test_one_at_a_time_or_all_at_once(tell) -> None:  # type: ignore[no-untyped-def]
    history = run(tell, SobolProposer(), SQUARE, 9)
    at_once = SobolProposer().propose(SQUARE, tell().history, 9, seed=0)
    assert [p.params for p in at_once] == [t.params for t in history.trials]


def test_constraints_thin_the_sequence(tell) -> None:  # type: ignore[no-untyped-def]
    corner = Space(SQUARE.parameters, (Linear({"a": 1, "b": 1}, "<=", 0.3),))
    history = run(tell, SobolProposer(), corner, 16)
    assert all(corner.satisfied(t.params) for t in history.trials)
    sides = [t.params["a"] > t.params["b"] for t in history.trials]
    assert 5 <= sum(sides) <= 11


def test_a_pool_is_covered(tell) -> None:  # type: ignore[no-untyped-def]
    x = np.linspace(0, 100, 101)
    pool = Pool(tuple(map(str, range(101))), {"x": tuple(x.tolist())}, ("x",))
    history = run(tell, SobolProposer(), Space(pool=pool), 16)
    chosen = sorted(float(t.params["x"]) for t in history.trials)
    assert max(np.diff([0.0, *chosen, 100.0])) < 15


def test_a_pool_without_features_is_drawn_from(tell) -> None:  # type: ignore[no-untyped-def]
    pool = Pool(("p", "q", "r"), {"name": ("P", "Q", "R")}, ())
    history = run(tell, SobolProposer(), Space(pool=pool), 3)
    assert {t.candidate for t in history.trials} == {"p", "q", "r"}
