"""Weak robust samples lie at the boundary of a classifier, and where a regression is steep."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from matscout.models.weak_robust import weak_robust

X = np.linspace(-2, 2, 81)[:, None]
LABELS = (X[:, 0] > 0).astype(int)


def step(x: np.ndarray) -> np.ndarray:
    positive = np.where(x[:, 0] > 0, 0.9, 0.1)
    return np.column_stack([1 - positive, positive])


def test_rows_at_the_boundary_are_the_weakest() -> None:
    found = weak_robust(step, X, 1, truth=LABELS, seed=1)
    assert np.abs(X[found.weakest(0.1), 0]).max() < 0.3
    assert found.flipped[[0, -1]].tolist() == [0.0, 0.0]


def test_the_score_is_its_closed_form() -> None:
    found = weak_robust(step, X, 1, truth=LABELS, epsilon=0.3, variants=4000, seed=2)
    chance = norm.cdf(-np.abs(X[:, 0]) / (0.3 * X.std()))
    right = step(X).argmax(axis=1) == LABELS
    assert found.score[right] == pytest.approx(0.9 * chance[right], abs=0.03)
    assert found.flipped[right] == pytest.approx(chance[right], abs=0.03)


def test_a_row_that_is_wrong_already_is_no_fragile_success() -> None:
    truth = LABELS.copy()
    truth[0] = 1
    found = weak_robust(step, X, 1, truth=truth)
    assert not found.right[0] and found.score[0] == pytest.approx(0.9)
    assert 0 not in found.weakest(1.0)


def test_a_steep_place_moves_most() -> None:
    found = weak_robust(lambda x: np.where(x[:, 0] > 1, 10 * (x[:, 0] - 1), 0.0), X, 1, seed=3)
    assert (X[found.weakest(0.1), 0] > 0.8).all()
    steady = weak_robust(lambda x: 2.0 * x[:, 0], X, 1, variants=4000)
    assert steady.score == pytest.approx(2 * 0.1 * X.std() * np.sqrt(2 / np.pi), rel=0.1)


def test_words_and_gaps_stay() -> None:
    x = np.column_stack([np.r_[np.nan, np.arange(9.0)], np.arange(10) % 2])
    seen = []

    def predict(near: np.ndarray) -> np.ndarray:
        seen.append(near)
        return np.zeros(len(near))

    weak_robust(predict, x, 1, variants=3)
    for near in seen:
        assert np.array_equal(near[:, 1], x[:, 1]) and np.isnan(near[0, 0])
    assert not np.array_equal(seen[1], seen[2], equal_nan=True)
    assert not np.isnan(x[1:]).any()


def test_the_seed_decides_and_mistakes_are_named() -> None:
    a, b, c = (weak_robust(step, X, 1, truth=LABELS, seed=s).score.tolist() for s in (1, 1, 2))
    assert a == b != c
    with pytest.raises(ValueError, match="true ones"):
        weak_robust(step, X, 1)
    with pytest.raises(ValueError, match="variant"):
        weak_robust(step, X, 1, truth=LABELS, variants=0)
