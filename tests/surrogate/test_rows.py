from __future__ import annotations

import numpy as np
import torch

from matscout.surrogate.rows import canonical_order, fold_count, fold_of


def test_folds_belong_to_rows_not_to_places() -> None:
    rng = np.random.default_rng(0)
    X, y = torch.from_numpy(rng.integers(3, size=(23, 2)) * 1.0), torch.from_numpy(rng.random(23))
    order = rng.permutation(23)
    fold = fold_of(X, y, 5)
    assert np.array_equal(fold_of(X[order], y[order], 5), fold[order])
    assert np.array_equal(fold_of(X, 1e9 * y - 3, 5), fold)
    assert np.bincount(fold).tolist() == [5, 5, 5, 4, 4]


def test_the_order_is_by_columns_then_target() -> None:
    X = torch.tensor([[1.0, 2.0], [1.0, 1.0], [0.0, 9.0], [1.0, 1.0]])
    y = torch.tensor([0.0, 5.0, 1.0, 4.0])
    assert canonical_order(X, y).tolist() == [2, 3, 1, 0]


def test_leave_one_out_while_rows_are_few() -> None:
    assert [fold_count(n) for n in (3, 10, 11, 39, 40)] == [3, 10, 10, 10, 5]
