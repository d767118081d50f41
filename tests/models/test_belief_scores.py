"""Scores of a stated uncertainty against closed forms, integrals and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor

from matscout.errors import InputError
from matscout.models.block_matern import BlockMaternRegressor
from matscout.models.estimators import models_for
from matscout.models.matern import MaternRegressor
from matscout.models.metrics import BELIEVING, METRICS, dummy_score, metric, of_values

NAMES = ("nll", "crps", "coverage_error", "miscalibration_area")


def test_each_against_its_definition() -> None:
    y, belief = np.array([0.5, -2.0]), np.array([[0.0, 1.0], [1.0, 2.0]])
    expected = -np.mean([norm.logpdf(v, m, s) for v, (m, s) in zip(y, belief, strict=True)])
    assert METRICS["nll"].score(y, belief) == pytest.approx(expected)
    squares = [
        quad(lambda t, v=v, m=m, s=s: (norm.cdf(t, m, s) - (t >= v)) ** 2, -30, 30, points=[v])[0]
        for v, (m, s) in zip(y, belief, strict=True)
    ]
    assert METRICS["crps"].score(y, belief) == pytest.approx(np.mean(squares), abs=1e-6)
    # of ten, eight inside 1.645 sd: a tenth too few
    ten = np.array([0.0] * 8 + [1.7, -1.7])
    assert METRICS["coverage_error"].score(ten, np.tile([0.0, 1.0], (10, 1))) == pytest.approx(0.1)


@pytest.mark.parametrize("name", NAMES)
def test_the_true_uncertainty_beats_one_too_small_and_one_too_large(name: str) -> None:
    y = np.random.default_rng(0).normal(3.0, 2.0, 4000)
    one = metric(name, "regression", believes=True)
    score = {sd: one.score(y, np.tile([3.0, sd], (4000, 1))) for sd in (1.0, 2.0, 4.0)}
    assert one.direction == "min" and score[2.0] < score[1.0] and score[2.0] < score[4.0]
    assert dummy_score(one, y, y) == pytest.approx(score[2.0], abs=0.01)
    assert of_values(one).name == "mae" and of_values(METRICS["rmse"]) is METRICS["rmse"]


@pytest.mark.parametrize("name", NAMES)
def test_no_uncertainty_is_no_score(name: str) -> None:
    for sd in (-1.0, np.nan, np.inf):
        assert np.isnan(METRICS[name].score(np.zeros(2), np.array([[0.0, 1.0], [0.0, sd]])))
    with pytest.raises(InputError, match="states none; in the evaluator tabular: uncertain"):
        metric(name, "regression")
    assert set(BELIEVING) <= set(models_for("regression"))


@pytest.mark.parametrize("name", NAMES)
def test_certainty_is_scored_as_the_limit_of_small_uncertainties(name: str) -> None:
    """An sd of 0: right on the first row, wrong on the second. A density has no such limit."""
    y, mean = np.array([1.0, 3.0, -2.0]), np.array([1.0, 2.5, 0.0])
    near, sure = (np.column_stack([mean, [sd, sd, 1.0]]) for sd in (1e-9, 0.0))
    found = METRICS[name].score(y, sure)
    if name == "nll":
        assert np.isnan(found)
    else:
        assert found == pytest.approx(METRICS[name].score(y, near), abs=1e-8)
    if name == "crps":
        assert METRICS[name].score(y[:2], sure[:2]) == 0.25


def test_gaussian_processes_say_the_sd_of_a_measurement() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 2))
    y = 50 + 10 * (np.sin(x[:, 0]) + 0.3 * rng.normal(size=60))
    new = np.vstack([x[:5], [[40.0, 40.0]]])
    matern = MaternRegressor().fit(x, y)
    plain = GaussianProcessRegressor(
        matern.model_.kernel_, alpha=1e-8, optimizer=None, normalize_y=True
    )
    mean, sd = plain.fit(x, y).predict(new, return_std=True)
    for model in (matern, BlockMaternRegressor().fit(x, y)):
        said = model.believe(new)
        assert said.mean == pytest.approx(model.predict(new))
        assert np.allclose(said.aleatoric, said.aleatoric[0]) and 1.0 < said.aleatoric[0] < 6.0
        assert said.epistemic[-1] > 3 * said.epistemic[0]  # far from all rows
        assert (said.sd >= said.aleatoric).all()
        if model is matern:
            assert said.sd == pytest.approx(sd) and said.mean == pytest.approx(mean)
