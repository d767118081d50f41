"""Folds along the sorted target, against scikit-learn's own k-fold of the sorted rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from matscout.data.sorted_folds import sorted_ends, sorted_forward
from matscout.errors import InputError


@pytest.mark.parametrize("n", [10, 23, 44])
def test_ends_are_the_first_and_last_fold_of_the_sorted_rows(n: int) -> None:
    y = np.random.default_rng(n).normal(size=n).round(1)  # with ties
    order = np.argsort(y, kind="stable")
    wanted = [set(order[judge]) for _, judge in KFold(5).split(order)]
    low, high = sorted_ends(y, 5)
    assert set(low[1]) == wanted[0] and set(high[1]) == wanted[-1]
    for train, judge in (low, high):
        assert sorted([*train, *judge]) == list(range(n))


@pytest.mark.parametrize("toward", ["high", "low"])
def test_forward_trains_on_what_came_before(toward: str) -> None:
    y = np.random.default_rng(1).permutation(np.arange(20.0))
    made = sorted_forward(y, 4, toward)
    assert [len(train) for train, _ in made] == [5, 10, 15]
    assert all(len(judge) == 5 for _, judge in made)
    for train, judge in made:
        beyond = y[judge].min() > y[train].max() if toward == "high" else False
        below = y[judge].max() < y[train].min() if toward == "low" else False
        assert beyond or below


def test_groups_stay_whole_and_are_sorted_by_their_mean() -> None:
    groups = np.repeat(np.arange(10), 3)
    y = groups * 1.0 + np.tile([0.0, 5.0, -5.0], 10)  # rows of groups overlap, means do not
    low, high = sorted_ends(y, 5, groups)
    assert set(groups[low[1]]) == {0, 1} and set(groups[high[1]]) == {8, 9}
    for train, judge in sorted_forward(y, 5, groups=groups):
        assert groups[train].max() < groups[judge].min()


@pytest.mark.parametrize(
    ("y", "options", "what"),
    [
        (np.arange(3.0), {"folds": 5}, "3 rows do not make 5 folds"),
        (np.arange(9.0), {"folds": 5, "groups": [1] * 9}, "1 groups do not make 5 folds"),
        (np.arange(9.0), {"folds": 1}, "at least 2"),
    ],
)
def test_what_cannot_be_sorted(y: np.ndarray, options: dict, what: str) -> None:
    for make in (sorted_ends, sorted_forward):
        with pytest.raises(InputError, match=what):
            make(y, **options)
    with pytest.raises(InputError, match="did you mean 'high'"):
        sorted_forward(np.arange(9.0), 3, "hihg")
