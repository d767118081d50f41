from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from matscout.report.chance import best_so_far, found_so_far, thinned


@pytest.mark.parametrize("y", [[3.0, 1.0, 2.0, 5.0, 4.0], [1.0, 1.0, 2.0, 2.0, 0.0], [7.0]])
def test_best_so_far_is_what_all_orders_give(y: list[float]) -> None:
    steps = np.arange(1, len(y) + 1)
    found = best_so_far(np.array(y), steps)
    orders = np.array(list(permutations(y)))
    running = np.maximum.accumulate(orders, axis=1)  # (n!, n)
    np.testing.assert_allclose(found.mean, running.mean(axis=0))
    for bound, q in ((found.low, 0.05), (found.median, 0.5), (found.high, 0.95)):
        brute = np.quantile(running, q, axis=0, method="inverted_cdf")
        np.testing.assert_allclose(bound, brute)


def test_finds_are_hypergeometric() -> None:
    marks = [1, 1, 0, 0, 0]
    orders = np.cumsum(np.array(list(permutations(marks))), axis=1)
    found = found_so_far(5, 2, np.arange(1, 6))
    np.testing.assert_allclose(found.mean, orders.mean(axis=0))
    np.testing.assert_allclose(found.high, np.quantile(orders, 0.95, axis=0, method="inverted_cdf"))


def test_a_long_run_is_thinned_and_stays_exact() -> None:
    steps = thinned(30_000)
    assert len(steps) <= 200 and steps[0] == 1 and steps[-1] == 30_000
    found = best_so_far(np.random.default_rng(0).normal(size=30_000), steps[[0, 50, -1]])
    assert np.isfinite(found.mean).all() and found.low[-1] == found.high[-1] == found.mean[-1]
