"""Scores beside the plain metrics, each against a closed form, brute force or scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.metrics import geometric_mean_score
from scipy.stats import norm, spearmanr
from sklearn.calibration import calibration_curve as theirs
from sklearn.metrics import mean_pinball_loss

from matscout.errors import InputError
from matscout.models.metrics import METRICS, dummy_score, metric, named
from matscout.models.quantile_scores import covered, pinball, quantile_crps
from matscout.models.reliability import calibration_curve
from matscout.models.screening import (
    discovery_probability,
    discovery_yield,
    enrichment,
    found_by,
    precision_at,
    top_share,
)
from matscout.models.shift import pdr

SEEDS = st.integers(0, 10_000)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 15), st.booleans())
def test_the_calibration_curve_is_scikit_learns(seed: int, bins: int, even: bool) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(200)
    y = (rng.random(200) < p).astype(float)
    ours = calibration_curve(y, p, bins, even=even)
    happened, stated = theirs(y, p, n_bins=bins, strategy="quantile" if even else "uniform")
    assert ours.happened == pytest.approx(happened) and ours.stated == pytest.approx(stated)
    assert ours.count.sum() == 200 and 0 <= ours.ece <= ours.mce <= 1


def test_calibration_errors_by_hand() -> None:
    curve = calibration_curve(np.array([0, 0, 0, 1]), np.array([0.1, 0.1, 0.1, 0.9]))
    assert curve.ece == pytest.approx(0.1) and curve.mce == pytest.approx(0.1)
    assert METRICS["ece"].score(np.array([0, 1]), np.array([0.0, 1.0])) == 0.0
    assert METRICS["ece"].score(np.array([0, 1]), np.array([1.0, 0.0])) == 1.0
    for wrong in ([0.2, 1.2], [np.nan, 0.1], []):
        with pytest.raises(ValueError, match="probabilities"):
            calibration_curve(np.zeros(len(wrong)), np.array(wrong))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.1, 0.5, 0.9])),
             min_size=1, max_size=5)
)  # fmt: skip
def test_ties_are_the_mean_over_every_order(rows: list[tuple[float, float]]) -> None:
    hit, score = (np.array(part) for part in zip(*rows, strict=True))
    runs = []
    for order in itertools.permutations(range(len(hit))):
        ranked = sorted(order, key=lambda row: -score[row])
        runs.append(np.cumsum(hit[ranked]))
    assert found_by(hit, score) == pytest.approx(np.mean(runs, axis=0))


def test_precision_and_yield_of_a_ranking() -> None:
    hit, score = np.array([1, 0, 1, 0, 0]), np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    assert precision_at(hit, score, 1) == 1.0
    assert precision_at(hit, score, 3) == pytest.approx(2 / 3)
    assert precision_at(hit, score, 99) == pytest.approx(0.4)
    assert discovery_yield(hit, score, 1) == 0.5 and discovery_yield(hit, score, 3) == 1.0
    assert enrichment(hit, score, 1) == pytest.approx(2.5)
    assert np.isnan(discovery_yield(np.zeros(3), np.ones(3), 1))
    assert METRICS["precision_at_10"].score(np.r_[np.ones(10), np.zeros(40)], -np.arange(50.0)) == 1
    constant = METRICS["precision_at_10"].score(np.r_[np.ones(10), np.zeros(40)], np.ones(50))
    assert constant == pytest.approx(0.2)
    with pytest.raises(ValueError, match="k must be"):
        precision_at(hit, score, 0)


@pytest.mark.parametrize("k", [1, 3, 10, 25])
def test_a_ranking_is_judged_at_any_number_of_rows(k: int) -> None:
    rng = np.random.default_rng(k)
    hit, score = rng.integers(0, 2, 40), rng.random(40)
    precision = metric(f"precision_at_{k}", "classification")
    discovered = metric(f"discovery_yield_at_{k}", "classification")
    assert precision.score(hit, score) == precision_at(hit, score, k)
    assert discovered.score(hit, score) == discovery_yield(hit, score, k)
    assert {precision.first, discovered.first} == {k} and precision.sign == discovered.sign == 1
    # Chance finds the share of hits, and k of all n rows.
    assert dummy_score(precision, hit, hit) == pytest.approx(hit.mean())
    assert dummy_score(discovered, hit, hit) == pytest.approx(k / 40)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("precision_at_0", "precision_at_10"), ("precision_at_-3", "precision_at_10"),
        ("precision_at_05", "precision_at_10"), ("precision_at_2.5", "precision_at_10"),
        ("precison_at_20", "precision_at_10"), ("precision_at_²", "precision_at_10"),
        ("discovery_yield_at_", "discovery_yield_at_10"), ("discovery_yield", "discovery_yield_at_10"),
    ],
)  # fmt: skip
def test_what_is_no_number_of_rows_is_no_metric(name: str, meant: str) -> None:
    assert named(name) is None
    with pytest.raises(InputError, match=f"no metric is called '{name}'; did you mean '{meant}'"):
        metric(name, "classification")


def test_metrics_of_a_ranking_are_for_two_classes() -> None:
    with pytest.raises(InputError, match="'precision_at_20' is for classification"):
        metric("precision_at_20", "regression")
    with pytest.raises(InputError, match="'discovery_yield_at_2' needs two classes, not 3"):
        metric("discovery_yield_at_2", "classification", 3)


def test_discovery_probability_is_the_share_of_runs() -> None:
    hits = np.array([[0, 1, 1], [0, 0, 1], [1, 0, 0], [0, 0, 0]])
    assert discovery_probability(hits).tolist() == [0.25, 0.5, 0.75]
    assert discovery_probability(hits, wanted=2).tolist() == [0.0, 0.0, 0.25]


def test_hits_are_the_best_share() -> None:
    values = np.arange(20.0)
    assert np.flatnonzero(top_share(values)).tolist() == [18, 19]
    assert np.flatnonzero(top_share(values, direction="min")).tolist() == [0, 1]
    assert top_share(np.array([1.0, 2.0, 2.0])).tolist() == [0.0, 1.0, 1.0]


def test_pdr_is_the_ratio_of_the_errors() -> None:
    rng = np.random.default_rng(0)
    one = pdr(rng.normal(size=2000), 3 * rng.normal(size=500))
    assert one.pdr == pytest.approx(one.outside / one.inside)
    assert one.low < 3 < one.high and one.high - one.low < 0.7
    assert pdr(np.ones(3), -np.ones(4)).pdr == 1.0
    assert pdr(np.zeros(3), np.ones(3)).pdr == np.inf
    with pytest.raises(ValueError, match="both sets"):
        pdr(np.ones(3), np.array([]))


def test_errors_on_the_same_rows_are_drawn_together() -> None:
    inside = np.random.default_rng(0).lognormal(size=50)
    twice = pdr(inside, 2 * inside, paired=True)
    assert (twice.pdr, twice.low, twice.high) == pytest.approx((2, 2, 2))
    assert pdr(inside, 2 * inside).low < 1.9
    with pytest.raises(ValueError, match="same rows"):
        pdr(inside, inside[1:], paired=True)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.floats(0.05, 0.95))
def test_pinball_is_scikit_learns(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    y, q = rng.normal(size=30), rng.normal(size=30)
    assert pinball(y, q, level).mean() == pytest.approx(mean_pinball_loss(y, q, alpha=level))


def test_quantile_crps_tends_to_the_gaussians() -> None:
    y, mean, sd = (
        np.array([-2.0, 0.0, 0.7, 4.0]),
        np.array([0.0, 0.1, 0.5, 1.0]),
        np.array([1, 2, 0.5, 1]),
    )
    z = (y - mean) / sd  # Gneiting & Raftery 2007, equation 21
    gaussian = sd * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    levels = (np.arange(500) + 0.5) / 500
    quantiles = norm.ppf(levels[None, :], mean[:, None], sd[:, None])
    assert quantile_crps(y, quantiles, levels) == pytest.approx(gaussian, rel=1e-2)
    one = quantile_crps(y, mean[:, None], np.array([0.5]))
    assert one == pytest.approx(np.abs(y - mean))
    with pytest.raises(ValueError, match="rise"):
        quantile_crps(y, quantiles[:, :2], np.array([0.5, 0.5]))


def test_an_interval_covers_its_ends() -> None:
    assert covered(np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4), np.full(4, 2.0)) == 0.75


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_metrics_against_libraries(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.normal(size=40).round(1), rng.normal(size=40).round(1)
    assert METRICS["spearman"].score(y, p) == pytest.approx(spearmanr(y, p).statistic)
    labels, guess = rng.integers(0, 3, 60).astype(float), rng.integers(0, 3, 60).astype(float)
    assert METRICS["g_mean"].score(labels, guess) == pytest.approx(
        geometric_mean_score(labels, guess, average="multiclass")
    )


def test_balanced_mae_weighs_every_range_the_same() -> None:
    y = np.r_[np.zeros(90), np.full(10, 9.5)]
    guess = np.zeros(100)
    assert METRICS["mae"].score(y, guess) == pytest.approx(0.95)
    assert METRICS["balanced_mae"].score(y, guess) == pytest.approx(9.5 / 2)
    even = np.linspace(0, 1, 1000)
    off = np.abs(np.random.default_rng(0).normal(size=1000))
    assert METRICS["balanced_mae"].score(even, even + off) == pytest.approx(off.mean(), rel=0.01)
    assert METRICS["balanced_mae"].score(np.ones(3), np.zeros(3)) == 1.0


def test_every_metric_of_a_constant_guess_is_a_number() -> None:
    rng = np.random.default_rng(0)
    train, truth = rng.lognormal(size=50), rng.lognormal(size=30)
    labels = (rng.random(50) < 0.3).astype(float), (rng.random(30) < 0.3).astype(float)
    for one in METRICS.values():
        given_ = labels if one.task == "classification" else (train, truth)
        assert np.isfinite(dummy_score(one, *given_)), one.name
