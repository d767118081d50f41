from __future__ import annotations

import numpy as np
import pytest

from matscout.propose.polytope import Polytope

NONE = np.zeros((0, 3)), np.zeros(0)
SUM_TO_ONE = np.ones((1, 3)), np.array([1.0])


def test_the_centre_of_a_simplex() -> None:
    assert np.allclose(Polytope(*NONE, *SUM_TO_ONE).centre, 1 / 3)


def test_an_empty_one_has_no_centre() -> None:
    assert Polytope(np.ones((1, 3)), np.array([-1.0]), *NONE).centre is None
    assert Polytope(*NONE, np.ones((1, 3)), np.array([4.0])).centre is None


def test_samples_lie_inside_and_are_spread_evenly() -> None:
    simplex = Polytope(*NONE, *SUM_TO_ONE)
    z = simplex.sample(4000, np.random.default_rng(0))
    assert np.allclose(z.sum(axis=1), 1.0) and z.min() >= 0 and z.max() <= 1
    # A coordinate of a uniform point on this simplex is Beta(1, 2): mean 1/3, P(< 1/2) = 3/4.
    assert np.allclose(z.mean(axis=0), 1 / 3, atol=0.02)
    assert np.allclose((z < 0.5).mean(axis=0), 0.75, atol=0.03)


def test_inequalities_hold() -> None:
    A, b = np.array([[1.0, 1.0, 0.0], [-1.0, 0.0, 2.0]]), np.array([0.8, 0.1])
    z = Polytope(A, b, *NONE).sample(500, np.random.default_rng(0))
    assert (z @ A.T <= b + 1e-9).all()
    assert (z @ A.T > b - 0.05).any(axis=0).all()  # right up to the walls


def test_a_single_point_stays_put() -> None:
    corner = Polytope(*NONE, np.eye(3), np.array([0.2, 0.3, 1.0]))
    z = corner.sample(4, np.random.default_rng(0))
    assert np.allclose(z, [0.2, 0.3, 1.0])


def test_steps_are_no_longer_than_asked() -> None:
    simplex = Polytope(*NONE, *SUM_TO_ONE)
    z = simplex.sample(200, np.random.default_rng(0))
    moved = simplex.step(z, np.random.default_rng(1), most=0.01)
    assert np.allclose(moved.sum(axis=1), 1.0)
    assert 0 < np.linalg.norm(moved - z, axis=1).max() <= 0.01 + 1e-12


@pytest.mark.parametrize("outside", [[2.0, 0.0, 0.0], [0.9, 0.9, 0.9], [-1.0, 0.5, 0.1]])
def test_pull_ends_inside_and_leaves_what_is_inside(outside: list[float]) -> None:
    simplex = Polytope(*NONE, *SUM_TO_ONE)
    z = simplex.pull(np.array(outside))
    assert z.sum() == pytest.approx(1.0) and z.min() >= 0
    assert np.allclose(simplex.pull(z), z)
