"""Decisions against brute force: every threshold tried, every decision's cost added up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from matscout.errors import InputError
from matscout.models.imbalance import costs
from matscout.models.imbalance import threshold as th

SCORES = {
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": sk.f1_score,
    "f1_macro": lambda y, p: sk.f1_score(y, p, average="macro", zero_division=0.0),
    "mcc": sk.matthews_corrcoef,
}


def test_minimum_risk_is_the_cheapest_of_all_and_a_threshold_for_two() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), size=50)
    matrix = costs.checked([[0, 2, 9], [1, 0, 3], [4, 4, 0]], 3)
    brute = [
        min(range(3), key=lambda i, row=row: sum(row[j] * matrix[i, j] for j in range(3)))
        for row in p
    ]
    assert np.array_equal(costs.minimum_risk(p, matrix), brute)
    one = rng.random(200)
    found = costs.minimum_risk(np.column_stack([1 - one, one]), costs.checked([[0, 5], [1, 0]], 2))
    assert np.array_equal(found == 1, one > costs.cost_threshold(5.0))
    assert costs.cost_threshold(1.0) == 0.5


@pytest.mark.parametrize(
    "bad", [[[0, 1]], [[0, "a"], [1, 0]], [[0, float("nan")], [1, 0]], [[1, 1], [1, 0]]]
)
def test_costs_that_reward_mistakes_are_refused(bad: object) -> None:
    with pytest.raises(InputError):
        costs.checked(bad, 2)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.8, 0.9]), st.integers(0, 1)),
        min_size=4,
        max_size=12,
    ),
    st.sampled_from(sorted(SCORES)),
)
def test_no_threshold_beats_the_tuned_one(rows: list[tuple[float, int]], metric: str) -> None:
    scores, labels = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    if len(np.unique(labels)) < 2:
        return
    found = th.tuned(scores, labels, metric)
    of = SCORES[metric]
    best = max(of(labels, (scores >= cut).astype(int)) for cut in (*np.unique(scores), 2.0))
    assert of(labels, (scores >= found).astype(int)) == pytest.approx(best, abs=1e-9)


def test_rules() -> None:
    scores, labels = np.array([0.05, 0.1, 0.2, 0.3]), np.array([0, 0, 1, 1])
    said = {
        rule: th.chosen(rule, scores, labels, metric="f1", miss_cost=4.0)
        for rule in ("half", "tuned", "halfway", "cost")
    }
    assert said["half"] == 0.5 and said["cost"] == pytest.approx(0.2)
    assert said["tuned"] == pytest.approx(0.15) and said["halfway"] == pytest.approx(0.325)
    # On a plateau, the nearest to one half: nothing is moved that need not be.
    assert th.tuned(np.array([0.1, 0.9]), np.array([0, 1]), "mcc") == pytest.approx(0.5)
