"""Calibration and thresholds from rows that the model had not seen; the number behind a label."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from matscout.errors import InputError
from matscout.models.imbalance.calibrate import Sigmoid, calibrator
from matscout.models.imbalance.cut import RegressAndCut
from matscout.models.imbalance.decide import Decided, DecisionWarning
from matscout.models.imbalance.inner import inner_folds


def rows(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    amounts = x[:, 0] + 0.5 * rng.normal(size=n)
    return x, (amounts > 1.0).astype(int), amounts


def test_a_sigmoid_is_platt_s_optimum() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=80)
    labels = (scores + rng.normal(size=80) > 0.5).astype(int)
    ones = labels.sum()
    target = np.where(labels == 1, (ones + 1) / (ones + 2), 1 / (80 - ones + 2))

    def loss(ab: np.ndarray) -> float:
        p = expit(ab[0] * scores + ab[1])
        return float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).sum())

    a, b = minimize(loss, np.array([1.0, 0.0])).x
    ours = Sigmoid(scores, labels, probabilities=False)
    assert np.allclose(ours(scores), expit(a * scores + b), atol=1e-3)


def test_calibrated_probabilities_stay_as_they_are_and_ranking_is_never_reversed() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.02, 0.98, size=20_000)
    labels = (rng.random(20_000) < p).astype(int)
    for kind in ("sigmoid", "isotonic"):
        found = calibrator(kind, p, labels, probabilities=True)(p)
        assert np.abs(found - p).mean() < 0.03
    skewed = expit(3 * logit(p))
    assert (
        np.abs(calibrator("sigmoid", skewed, labels, probabilities=True)(skewed) - p).mean() < 0.03
    )
    worse = Sigmoid(-p, labels, probabilities=False)(-p)
    assert np.ptp(worse) == 0 and worse[0] == pytest.approx(labels.mean(), abs=1e-3)


def test_the_threshold_is_tuned_on_rows_the_model_had_not_seen() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(120, 4)), (rng.random(120) < 0.2).astype(int)
    forest = RandomForestClassifier(20, random_state=0)
    own = Decided(forest, threshold="tuned", threshold_metric="f1", random_state=0).fit(x, y)
    # On its own training rows a forest separates noise, at any cut between .4 and .6.
    assert not 0.4 < own.threshold_ < 0.6 and own.threshold_ < 0.4
    assert np.array_equal(
        own.predict(x), (own.predict_proba(x)[:, 1] >= own.threshold_).astype(int)
    )
    half = Decided(forest, threshold="halfway", threshold_metric="f1", random_state=0).fit(x, y)
    assert half.threshold_ == pytest.approx((0.5 + own.threshold_) / 2)


def test_groups_are_whole_in_inner_folds_and_too_few_rows_tune_nothing() -> None:
    labels = np.repeat([0, 1], [20, 8])
    groups = np.array([f"g{k // 4}" for k in range(28)])
    for train, judge in inner_folds(labels, groups, 5, 0) or []:
        assert not set(groups[train]) & set(groups[judge]) and len(set(labels[train])) == 2
    assert len(inner_folds(labels, groups, 5, 0) or []) == 2
    assert inner_folds(np.array([0, 0, 0, 1]), None, 5, 0) is None
    x = np.random.default_rng(0).normal(size=(9, 2))
    with pytest.warns(DecisionWarning, match="too few rows"):
        own = Decided(LogisticRegression(), threshold="tuned").fit(x, np.array([1] + [0] * 8))
    assert own.threshold_ == 0.5
    with pytest.warns(DecisionWarning):
        alone = Decided(SVC(), calibrate="sigmoid").fit(x, np.array([1] + [0] * 8))
    assert np.allclose(alone.predict_proba(x)[:, 1], expit(alone.fitted_.decision_function(x)))


def test_scores_without_probabilities() -> None:
    x, y, _ = rows()
    tuned = Decided(SVC(), threshold="tuned", random_state=0).fit(x, y)
    assert not hasattr(tuned, "predict_proba") and hasattr(tuned, "decision_function")
    sure = Decided(SVC(), calibrate="sigmoid", random_state=0).fit(x, y)
    assert sure.predict_proba(x).sum(axis=1) == pytest.approx(np.ones(len(x)))
    with pytest.raises(InputError, match=r"needs probabilities.*sigmoid"):
        Decided(SVC(), threshold="cost").fit(x, y)


def test_three_classes_are_calibrated_and_not_cut() -> None:
    x, _, amounts = rows()
    y = np.digitize(amounts, [-0.5, 0.8])
    own = Decided(LogisticRegression(), calibrate="sigmoid", random_state=0).fit(x, y)
    assert own.predict_proba(x).shape == (200, 3) and (own.predict(x) == y).mean() > 0.6
    with pytest.raises(InputError, match="two classes, not 3"):
        Decided(LogisticRegression(), threshold="tuned").fit(x, y)


def test_a_cost_matrix_takes_the_class_of_least_risk() -> None:
    x, _, amounts = rows()
    y = np.digitize(amounts, [-0.5, 0.8])
    matrix = [[0, 1, 20], [1, 0, 20], [1, 1, 0]]
    own = Decided(LogisticRegression(), threshold="cost", costs=matrix).fit(x, y)
    p = own.predict_proba(x)
    assert np.array_equal(own.predict(x), (p @ np.array(matrix).T).argmin(axis=1))
    assert (own.predict(x) == 2).sum() > (p.argmax(axis=1) == 2).sum()
    two = Decided(LogisticRegression(), threshold="cost", costs=[[0, 4], [1, 0]]).fit(x, y == 2)
    same = Decided(LogisticRegression(), threshold="cost", miss_cost=4.0).fit(x, y == 2)
    assert np.array_equal(two.predict(x), same.predict(x))
    with pytest.raises(InputError, match="are not used under threshold = 'half'"):
        Decided(LogisticRegression(), costs=matrix).fit(x, y)
    with pytest.raises(InputError, match="must be 3 rows of 3"):
        Decided(LogisticRegression(), threshold="cost", costs=[[0, 1], [1, 0]]).fit(x, y)


@pytest.mark.parametrize("below", [False, True])
def test_regress_and_cut_learns_the_number(below: bool) -> None:
    x, y, amounts = rows(400)
    labels = 1 - y if below else y
    own = RegressAndCut(LinearRegression(), random_state=0).fit(
        x[:300], labels[:300], amounts=amounts[:300]
    )
    p = own.predict_proba(x[300:])[:, 1]
    assert (np.corrcoef(p, x[300:, 0])[0, 1] > 0) != below
    assert (own.predict(x[300:]) == labels[300:]).mean() > 0.85
    with pytest.raises(InputError, match="no cut of them"):
        RegressAndCut(LinearRegression()).fit(x, labels, amounts=x[:, 1])
