"""The diversity coefficient: bounds, a closed form, and what makes it larger."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matscout.data.diversity import diversity, diversity_coefficient, ranges


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return 1.0 - float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))


def test_equal_rows_have_no_diversity() -> None:
    rows = np.tile([0.2, 0.3, 0.5], (50, 1))
    assert diversity_coefficient(rows)[0] == pytest.approx(0.0, abs=1e-12)


def test_single_rows_approach_the_mean_over_all_pairs() -> None:
    rows = np.random.default_rng(0).random((6, 3))
    every = [cosine(rows[i], rows[j]) for i, j in itertools.permutations(range(6), 2)]
    found, sem = diversity_coefficient(rows, batch=1, pairs=4000, seed=1)
    assert abs(found - np.mean(every)) < 4 * sem


def test_two_orthogonal_rows_are_as_far_as_can_be() -> None:
    assert diversity_coefficient(np.eye(2), batch=1, pairs=5)[0] == 1.0


def test_the_seed_decides() -> None:
    rows = np.random.default_rng(0).random((40, 4))
    assert diversity_coefficient(rows, seed=3) == diversity_coefficient(rows, seed=3)
    assert diversity_coefficient(rows, seed=3) != diversity_coefficient(rows, seed=4)


def test_one_row_is_no_batch() -> None:
    with pytest.raises(ValueError, match="two rows"):
        diversity_coefficient(np.ones((1, 2)))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 30), st.integers(1, 5), st.integers(0, 100))
def test_frequencies_give_a_number_between_0_and_1(n: int, d: int, seed: int) -> None:
    rows = np.random.default_rng(seed).random((n, d))
    found, _ = diversity_coefficient(rows, pairs=10, seed=seed)
    assert 0.0 <= found <= 1.0


def test_one_family_is_less_diverse_than_many() -> None:
    narrow = diversity({}, {}, {"f": ["Fe0.9Ni0.1", "Fe0.8Ni0.2"] * 40})
    wide = diversity({}, {}, {"f": ["NaCl", "Fe2O3", "ZnS", "CaTiO3"] * 20})
    assert narrow is not None and wide is not None
    assert narrow.coefficient < 0.1 * wide.coefficient
    assert wide.blocks == ("8 elements",)


def test_even_columns_are_near_their_own_bound() -> None:
    rng = np.random.default_rng(0)
    found = diversity({"x": rng.random(2000)}, {"c": rng.choice(list("abcd"), 2000)}, {})
    assert found is not None
    assert found.coefficient == pytest.approx(found.even, rel=0.2)


def test_nothing_varies_nothing_is_said() -> None:
    assert diversity({"x": np.ones(10)}, {"c": ["a"] * 10}, {"f": ["NaCl"] * 10}) is not None
    assert diversity({"x": np.ones(10)}, {"c": ["a"] * 10}, {}) is None


def test_ranges_are_of_one_width_and_skip_gaps() -> None:
    codes = ranges(np.append(np.linspace(0, 1, 1000), np.nan))
    assert codes[-1] == -1
    assert np.bincount(codes[:-1]).tolist() == pytest.approx([100] * 10, abs=12)
    decades = ranges(10.0 ** np.linspace(-6, 6, 1000))
    assert np.bincount(decades).tolist() == pytest.approx([100] * 10, abs=12)
