"""Splits: every row judges as often as it should, nothing meets, the seed decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.data.splits import GROUPED, KINDS, REPEATED, binned, split
from matscout.errors import InputError


@given(
    kind=st.sampled_from(KINDS),
    n=st.integers(20, 80),
    folds=st.integers(2, 5),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_folds_partition_the_rows(kind: str, n: int, folds: int, repeats: int, seed: int) -> None:
    y = np.random.default_rng(0).lognormal(size=n)
    groups = np.arange(n) // 3
    groups = np.arange(n) if kind == "leave_one_out" else groups
    made = split(kind, y, folds=folds, repeats=repeats, groups=groups, seed=seed)
    again = split(kind, y, folds=folds, repeats=repeats, groups=groups, seed=seed)
    for (train, judge), (train2, judge2) in zip(made, again, strict=True):
        assert np.array_equal(train, train2) and np.array_equal(judge, judge2)
        assert sorted([*train, *judge]) == list(range(n))
        assert (np.diff(train) > 0).all() and (np.diff(judge) > 0).all()
        if kind in GROUPED:
            assert not set(groups[train]) & set(groups[judge])
    times = np.bincount(np.concatenate([judge for _, judge in made]), minlength=n)
    if kind == "holdout":
        assert len(made) == 1 and times.sum() == round(0.2 * n)
    else:
        assert (times == (repeats if kind in REPEATED else 1)).all()


def test_another_seed_is_another_split() -> None:
    y = np.arange(50.0)
    for kind in set(KINDS) - {"leave_one_out"}:
        one, other = (split(kind, y, groups=np.arange(50), seed=seed) for seed in (1, 2))
        assert any(not np.array_equal(a[1], b[1]) for a, b in zip(one, other, strict=True)), kind


def test_stratified_on_a_heavy_tail_puts_tail_rows_in_every_fold() -> None:
    y = np.exp(np.random.default_rng(3).normal(size=100) * 2)
    tail = y >= np.quantile(y, 0.9)
    for train, judge in split("stratified", y, folds=5, seed=4):
        assert tail[judge].sum() == 2 and tail[train].sum() == 8


@given(st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.5]), min_size=10, max_size=60))
def test_bins_of_repeated_values_have_a_row_for_every_fold(values: list[float]) -> None:
    y = np.array(values)
    place = binned(y, folds=5)
    assert np.bincount(place).min() >= 5
    assert all(len(set(place[y == v])) == 1 for v in set(values))
    split("stratified", y, folds=5)


def test_classes_keep_their_share() -> None:
    y = np.array([0.0] * 90 + [1.0] * 10)
    for _, judge in split("stratified", y, folds=5, classes=True, seed=0):
        assert y[judge].sum() == 2


@pytest.mark.parametrize(
    ("kind", "n", "options", "what"),
    [
        ("kfolds", 10, {}, "did you mean 'kfold'"),
        ("kfold", 3, {"folds": 5}, "3 rows do not make 5 folds"),
        ("kfold", 3, {"folds": 1}, "at least 2"),
        ("repeated", 9, {"repeats": 0}, "repeats"),
        ("grouped", 9, {}, "group"),
        ("grouped", 9, {"groups": [1] * 9}, "1 group does not make 5 folds"),
        ("holdout", 9, {"fraction": 1.5}, "fraction"),
        ("holdout", 1, {}, "cannot be split"),
        ("stratified", 10, {"classes": True, "folds": 3}, "rarest class has 1 row "),
    ],
)
def test_what_cannot_be_split(kind: str, n: int, options: dict, what: str) -> None:
    y = np.zeros(n)
    y[0] = 1
    with pytest.raises(InputError, match=what):
        split(kind, y, **options)
