"""A Gaussian process on a table as scikit-learn estimators: one Matern kernel, its scale learned.

Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006): Eq. 4.14 (the kernel),
Algorithm 2.1 (regression), Algorithms 3.1 and 3.2 (the Laplace approximation for classes).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel

from matscout.models.uncertainty.belief import Belief

_LENGTHS = (1e-2, 1e2)
"""Bounds of the lengthscale in units of sqrt(d): standardised rows lie about sqrt(2 d) apart."""
_SCALES = (1e-3, 1e3)
_NOISES = (1e-6, 1e1)
"""Of the noise variance, where the target's is 1."""


class MaternRegressor(RegressorMixin, BaseEstimator):
    """Scale, lengthscale and noise by maximum likelihood, from a long lengthscale and little noise.

    Inputs (n, d), scaled; targets (n,), standardised inside. One lengthscale for all inputs: on few
    rows there is nothing to tell them apart by. `nu`: 0.5, 1.5 or 2.5 (fast), the smoothness.
    """

    def __init__(self, nu: float = 2.5, random_state: int | None = None) -> None:
        self.nu = nu
        self.random_state = random_state

    def fit(self, x: np.ndarray, y: np.ndarray) -> MaternRegressor:
        kernel = _kernel(self.nu, x.shape[1]) + WhiteKernel(0.1, _NOISES)
        self.model_ = GaussianProcessRegressor(
            kernel, alpha=1e-8, normalize_y=True, random_state=self.random_state
        )
        _quietly(self.model_, x, y)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict(x))

    def believe(self, x: np.ndarray) -> Belief:
        """In the target's own unit."""
        mean, sd = self.model_.predict(x, return_std=True)  # the white kernel's noise is in it
        noise = self.model_.kernel_.k2.noise_level * float(self.model_._y_train_std) ** 2
        known = np.sqrt(np.maximum(np.square(sd) - noise, 0.0))
        return Belief(mean, known, np.full(len(mean), np.sqrt(noise)))


class MaternClassifier(ClassifierMixin, BaseEstimator):
    """As MaternRegressor, for classes (one against the rest where there are more than two)."""

    def __init__(self, nu: float = 2.5, random_state: int | None = None) -> None:
        self.nu = nu
        self.random_state = random_state

    def fit(self, x: np.ndarray, y: np.ndarray) -> MaternClassifier:
        self.model_ = GaussianProcessClassifier(
            _kernel(self.nu, x.shape[1]), random_state=self.random_state
        )
        _quietly(self.model_, x, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict(x))

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict_proba(x))


def _kernel(nu: float, width: int) -> Kernel:
    root = float(np.sqrt(max(width, 1)))
    low, high = _LENGTHS
    return ConstantKernel(1.0, _SCALES) * Matern(root, (low * root, high * root), nu=nu)


def _quietly(model: Any, x: np.ndarray, y: np.ndarray) -> None:
    with warnings.catch_warnings():
        # A scale at its bound is told as a failure to converge; the fit is as good as any.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
