"""The judge of a model: the same for every arm, and right where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from matscout.drive.learned import CHECKPOINTS, Evaluator, learned
from matscout.pool import Pool

N = 60
X = np.arange(N, dtype=float)
POOL = Pool(tuple(f"c{i}" for i in range(N)), {"x": tuple(X.tolist())}, ("x",))
TEST = np.arange(1, N, 3)


def test_regression_is_minus_the_rmse() -> None:
    judge = Evaluator(POOL, TEST, X[TEST], None)
    assert judge.quality([5, 9], np.array([7.0, 7.0])) == pytest.approx(
        -math.sqrt(np.mean((X[TEST] - 7.0) ** 2))
    )
    few, many = ([r for r in range(0, N, step) if r % 3 != 1] for step in (9, 1))
    assert judge.quality(few, X[few]) < judge.quality(many, X[many]) < 0


def test_classes_are_pr_auc() -> None:
    truth = (X[TEST] > 40).astype(float)
    judge = Evaluator(POOL, TEST, truth, 0.5)
    rows = [0, 10, 20, 30, 39, 42, 50, 59]
    assert judge.quality(rows, (X[rows] > 40).astype(float)) == pytest.approx(1.0)
    share = truth.mean()
    for y in (np.zeros(8), np.ones(8)):  # nothing to tell apart: what chance scores on average
        assert judge.quality(rows, y) == pytest.approx(share)
    assert math.isnan(Evaluator(POOL, TEST, np.zeros(len(TEST)), 0.5).quality(rows, X[rows] / N))


def test_the_limit_itself_passes() -> None:
    judge = Evaluator(POOL, TEST, X[TEST], 40.0)
    rows = [0, 20, 39, 40, 50]
    assert judge.quality(rows, X[rows]) == judge.quality(rows, np.array([0, 0, 0, 40.0, 41.0]))


def test_checkpoints_run_from_the_start_to_the_end() -> None:
    judge = Evaluator(POOL, TEST, X[TEST], None)
    part = Pool(POOL.ids[2::3], {"x": tuple(X[2::3].tolist())}, ("x",))  # other row numbers
    order = list(range(20))
    whole = learned(judge, part, order, X[2::3], 5)
    assert whole.labels == (5, 8, 11, 14, 17, 20) and len(whole.quality) == CHECKPOINTS
    assert whole.quality[-1] == judge.quality([judge.pool.row(c) for c in part.ids], X[2::3])
    short = learned(judge, part, order[:4], X[2::3], 3)
    assert short.labels == (3, 3, 3, 4, 4, 4) and len(set(short.quality)) == 2


def test_the_tails_and_each_tenth_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    truth = rng.permutation(len(TEST)).astype(float)  # of twenty rows, two in each tenth
    judge = Evaluator(POOL, TEST, truth, None)
    found = learned(judge, POOL, [0, 2, 3, 5, 9], np.full(N, 7.0), 2)  # always predicts 7
    assert len(found.tail) == CHECKPOINTS and len(set(found.tail)) == 1
    for tenth, rmse in enumerate(found.tenths):  # from the lowest to the highest
        wrong = [2 * tenth - 7.0, 2 * tenth + 1 - 7.0]
        assert rmse == pytest.approx(math.sqrt(np.mean(np.square(wrong))))
    outer = np.square([7.0, 6.0, 11.0, 12.0])
    assert found.tail[-1] == pytest.approx(math.sqrt(outer.mean()))
    assert math.sqrt(np.mean(np.square(found.tenths))) == pytest.approx(-found.quality[-1])


def test_a_class_has_no_tenths_and_few_rows_have_fewer() -> None:
    truth = (X[TEST] > 40).astype(float)
    found = learned(Evaluator(POOL, TEST, truth, 0.5), POOL, [0, 50, 59], (X > 40).astype(float), 2)
    assert found.tail == found.tenths == () and len(found.quality) == CHECKPOINTS
    few = learned(Evaluator(POOL, TEST[:4], X[TEST[:4]], None), POOL, [0, 9, 59], X, 2)
    assert sum(math.isnan(rmse) for rmse in few.tenths) == 6 and math.isfinite(few.tail[-1])
