"""The Gaussian process on a table: what it is a wrapper of, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from matscout.models import tabular
from matscout.models.matern import MaternClassifier, MaternRegressor


def waves(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, size=(n, 2))
    return x, 1e3 * np.sin(2 * x[:, 0]) + rng.normal(scale=50, size=n)


@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5])
def test_it_is_scikit_learns_process_of_one_matern_kernel_and_noise(nu: float) -> None:
    x, y = waves()
    found = MaternRegressor(nu=nu).fit(x[:30], y[:30])
    constant, matern, white = (
        found.model_.kernel_.k1.k1,
        found.model_.kernel_.k1.k2,
        found.model_.kernel_.k2,
    )
    fixed = ConstantKernel(constant.constant_value) * Matern(matern.length_scale, nu=nu)
    by_hand = GaussianProcessRegressor(
        fixed + WhiteKernel(white.noise_level), alpha=1e-8, normalize_y=True, optimizer=None
    ).fit(x[:30], y[:30])
    assert found.predict(x[30:]) == pytest.approx(by_hand.predict(x[30:]), rel=1e-6, abs=1e-6)
    assert np.abs(found.predict(x[30:]) - y[30:]).mean() < 0.5 * np.abs(y[30:] - y.mean()).mean()


def test_a_target_that_does_not_vary_is_predicted() -> None:
    x, _ = waves()
    assert MaternRegressor().fit(x, np.full(len(x), 3.0)).predict(x[:2]) == pytest.approx([3, 3])


def test_classes_have_probabilities() -> None:
    x, y = waves()
    label = (y > 0).astype(int)
    found = MaternClassifier().fit(x[:30], label[:30])
    chance = found.predict_proba(x[30:])
    assert chance.sum(axis=1) == pytest.approx(np.ones(10))
    assert (found.predict(x[30:]) == label[30:]).mean() >= 0.8


def test_it_is_a_model_of_the_tabular_trainer() -> None:
    assert "gaussian_process" in tabular.MODELS
    assert tabular.hyperparameter_names("gaussian_process", "regression")[-1] == "nu"
