"""Splits that keep groups and shares, leave rows out one by one, or go along time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneOut, TimeSeriesSplit

from matscout.data.learning_curve import curve_shares, learning_curve
from matscout.data.sorted_folds import sorted_forward
from matscout.data.splits import Fold, kfold, repeats_of, split
from matscout.data.time_folds import time_ordered
from matscout.data.times import as_times
from matscout.errors import InputError


def partition(folds: list[Fold], n: int) -> None:
    judged = np.concatenate([judge for _, judge in folds])
    assert sorted(judged.tolist()) == list(range(n))
    for train, judge in folds:
        assert sorted([*train.tolist(), *judge.tolist()]) == list(range(n))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.booleans())
def test_stratified_groups_are_whole_and_have_every_class(
    seed: int, folds: int, classes: bool
) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), rng.integers(1, 4, 40)).astype(str)
    y = rng.integers(0, 2, 40)[np.unique(groups, return_inverse=True)[1]].astype(float)
    if not classes:
        y = rng.normal(size=len(groups))
    made = split("stratified_grouped", y, folds=folds, groups=groups, classes=classes, seed=seed)
    partition(made, len(y))
    for train, judge in made:
        assert not set(groups[train]) & set(groups[judge])
        if classes:
            assert len(np.unique(y[judge])) == len(np.unique(y))


def test_stratified_groups_keep_a_rare_share_that_groups_alone_do_not() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 3)
    y = np.repeat(np.arange(100) % 20 == 0, 3).astype(float)
    order = rng.permutation(len(y))
    groups, y = groups[order], y[order]
    shares = [
        y[judge].sum()
        for _, judge in split("stratified_grouped", y, folds=5, groups=groups, classes=True)
    ]
    assert shares == [3.0] * 5


def test_stratified_groups_say_what_is_too_few() -> None:
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=float)
    with pytest.raises(InputError, match="rarest class is in 1 group for 2 folds"):
        split("stratified_grouped", y, folds=2, groups=list("abcdeeee"), classes=True)
    with pytest.raises(InputError, match="needs a group"):
        split("stratified_grouped", y, folds=2)
    with pytest.raises(InputError, match="groups do not make"):
        split("stratified_grouped", y, folds=3, groups=list("aaaabbbb"), classes=True)


def test_repeated_stratified_is_so_many_stratified_splits() -> None:
    y = (np.arange(60) % 6 == 0).astype(float)
    made = split("repeated_stratified", y, folds=5, repeats=3, classes=True, seed=4)
    assert len(made) == 15
    for k in range(3):
        partition(made[5 * k : 5 * k + 5], 60)
    assert {float(y[judge].sum()) for _, judge in made} == {2.0}
    assert any(not np.array_equal(made[0][1], made[5 * k][1]) for k in (1, 2))
    again = repeats_of("repeated_stratified", y, 3, folds=5, classes=True, seed=4)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(made, again, strict=True))


def test_leave_one_out_is_scikit_learns() -> None:
    made = split("leave_one_out", np.zeros(7))
    theirs = list(LeaveOneOut().split(np.zeros(7)))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(made, theirs, strict=True))
    by_group = split("leave_one_out", np.zeros(6), groups=list("abcabc"))
    assert [judge.tolist() for _, judge in by_group] == [[0, 3], [1, 4], [2, 5]]
    with pytest.raises(InputError, match="cannot be left out"):
        split("leave_one_out", np.zeros(3), groups=["a"] * 3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 6), st.integers(1, 2))
def test_forward_never_sees_what_comes_later(seed: int, folds: int, step: int) -> None:
    y = np.random.default_rng(seed).normal(size=50)
    made = sorted_forward(y, folds, step=step)
    assert len(made) == folds - step
    assert all(y[train].max() < y[judge].min() for train, judge in made)


def test_a_step_leaves_blocks_between_out() -> None:
    made = sorted_forward(np.arange(10.0), 5, step=2)
    assert [(t.tolist(), j.tolist()) for t, j in made] == [
        ([0, 1], [4, 5]), ([0, 1, 2, 3], [6, 7]), ([0, 1, 2, 3, 4, 5], [8, 9]),
    ]  # fmt: skip
    assert all(
        np.array_equal(a[1], b[1])
        for a, b in zip(sorted_forward(np.arange(10.0), 5), sorted_forward(np.arange(10.0), 5, step=1), strict=True)
    )  # fmt: skip
    for wrong in (0, 5):
        with pytest.raises(InputError, match="must lie in 1 to 4"):
            sorted_forward(np.arange(10.0), 5, step=wrong)


def test_time_folds_are_scikit_learns_where_no_moment_is_shared() -> None:
    times = np.random.default_rng(1).permutation(60).astype(float)
    order = np.argsort(times)
    theirs = list(TimeSeriesSplit(5).split(np.zeros(60)))
    for (train, judge), (a, b) in zip(time_ordered(times, 6), theirs, strict=True):
        assert np.array_equal(train, np.sort(order[a]))
        assert np.array_equal(judge, np.sort(order[b]))


def test_rows_of_one_day_stay_together() -> None:
    days = as_times(["2024-01-01", "2024-01-01", "2024-01-02", "2024-02-01", "2024-02-01"])
    for train, judge in time_ordered(days, 3):
        assert days[train].max() < days[judge].min()
    with pytest.raises(InputError, match="do not make"):
        time_ordered(np.zeros(5), 2)
    with pytest.raises(InputError, match="row 1 has no time"):
        time_ordered(np.array([1.0, np.nan]), 2)


def test_times_in_what_people_write() -> None:
    one = as_times(["2024-03-01", "2024-03-01T12:00:00", "2024-03-02"])
    assert np.diff(one).tolist() == [43_200.0, 43_200.0]
    assert np.ptp(as_times(["31.12.2023", "1.1.2024"])) == 86_400.0
    assert np.ptp(as_times(["2024-01-01T00:00:00Z", "2024-01-01T01:00:00+01:00"])) == 0.0
    assert as_times(["1999", "2004"]).tolist() == [1999.0, 2004.0]
    with pytest.raises(InputError, match="row 2 of the column of times has '3/4/2024'"):
        as_times(["2024-01-01", "3/4/2024"])


def test_learning_curves_are_nested_and_judged_by_the_same_rows() -> None:
    folds = kfold(100, 4, 0)
    shares = curve_shares(75, points=4, least=10)
    fits = learning_curve(folds, shares, draws=2, seed=5)
    assert len(fits) == 4 * 2 * 4
    sizes = sorted({fit.size for fit in fits})
    assert sizes[0] == 10 and sizes[-1] == 75
    for draw in range(2):
        for number, (train, judge) in enumerate(folds):
            own = [f for f in fits if (f.draw, f.fold) == (draw, number)]
            for small, large in pairwise(own):
                assert set(small.train) < set(large.train)
            assert np.array_equal(own[-1].train, train)
            assert all(np.array_equal(f.judge, judge) for f in own)
    first = [f.train.tolist() for f in fits if f.fold == 0 and f.size == 10]
    assert first[0] != first[1]
    again = learning_curve(folds, shares, draws=2, seed=5)
    assert all(np.array_equal(a.train, b.train) for a, b in zip(fits, again, strict=True))


def test_a_learning_curve_needs_room() -> None:
    with pytest.raises(InputError, match="2 points"):
        curve_shares(100, points=1)
    with pytest.raises(InputError, match="needs more than 10"):
        curve_shares(10)
