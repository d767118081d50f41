"""Parts of the training rows: nested, of the size that was asked for, classes and groups respected."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.data.row_shares import nested_shares, shares_of_folds
from matscout.data.splits import grouped, kfold

SHARES = (1 / 9, 1 / 3, 1.0)


@given(st.integers(2, 60), st.integers(0, 5), st.sampled_from(["none", "labels", "groups"]))
def test_each_part_is_inside_the_next_and_the_last_is_all(n: int, seed: int, kind: str) -> None:
    train = np.sort(np.random.default_rng(seed).permutation(2 * n)[:n])
    codes = np.random.default_rng(seed + 1).integers(0, 4, 2 * n)
    given = {} if kind == "none" else {kind: codes}
    parts = nested_shares(train, SHARES, seed=seed, **given)
    assert all(set(a) <= set(b) for a, b in pairwise(parts))
    assert np.array_equal(parts[-1], train)
    for part, share in zip(parts, SHARES, strict=True):
        assert np.array_equal(part, np.unique(part)) and len(part) >= min(share * n, n) - 1e-9
        if kind == "none":
            assert len(part) == max(int(np.ceil(share * n - 1e-9)), 1)
        if kind == "labels":
            for label in np.unique(codes[train]):
                whole = int((codes[train] == label).sum())
                assert 0 <= (codes[part] == label).sum() - share * whole < 1 + 1e-9
        if kind == "groups":
            inside = np.isin(codes[train], codes[part])
            assert np.array_equal(train[inside], part), "no group is torn"
    again = nested_shares(train, SHARES, seed=seed, **given)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_groups_no_more_than_are_needed() -> None:
    groups = np.repeat(np.arange(10), 3)
    parts = nested_shares(np.arange(30), (0.1, 0.2, 0.21, 1.0), groups=groups)
    assert [len(p) for p in parts] == [3, 6, 9, 30]


def test_of_folds_the_judges_are_never_among_them() -> None:
    groups = np.arange(40) // 4
    for folds in (kfold(40, 4, 0), grouped(groups, 4, 0)):
        made = shares_of_folds(folds, SHARES, seed=3)
        assert len(made) == 3 and all(len(of) == 4 for of in made)
        for of in made:
            for part, (train, judge) in zip(of, folds, strict=True):
                assert not set(part) & set(judge) and set(part) <= set(train)
        assert all(np.array_equal(p, t) for p, (t, _) in zip(made[-1], folds, strict=True))
    first = [set(p.tolist()) for p in shares_of_folds(kfold(40, 4, 0), SHARES, seed=3)[0]]
    other = [set(p.tolist()) for p in shares_of_folds(kfold(40, 4, 0), SHARES, seed=4)[0]]
    assert first != other


@pytest.mark.parametrize("share", [0.0, 1e-12])
def test_a_part_is_never_empty(share: float) -> None:
    assert len(nested_shares(np.arange(5), (share, 1.0))[0]) == 1
