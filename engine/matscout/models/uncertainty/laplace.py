"""Bayesian linear regression on what a network's last layer is shown: the last-layer Laplace."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from sklearn.linear_model import BayesianRidge
from torch import nn

from matscout.models.inputs import Inputs
from matscout.models.recipe import Recipe, outputs_of, penultimate_of, squared
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.training import Training, Units


@dataclass(frozen=True)
class Linear:
    """y = w·phi + b + noise, w ~ N(0, 1/lambda), b flat, noise ~ N(0, 1/alpha): its posterior.

    Both precisions maximise the evidence (MacKay 1992; Tipping 2001), by scikit-learn's
    `BayesianRidge`, which leaves the intercept's own variance, 1/(n alpha), out of its answers.
    """

    centre: np.ndarray  # (w,)
    weights: np.ndarray  # (w,)
    covariance: np.ndarray  # (w, w)
    intercept: float  # at the centre
    noise: float  # 1/alpha
    n: int

    @classmethod
    def fitted(cls, phi: np.ndarray, y: np.ndarray) -> Linear:
        """phi (n, w), y (n,)."""
        ridge = BayesianRidge(max_iter=1000, tol=1e-6).fit(phi, y)
        centre = phi.mean(0)
        return cls(
            centre,
            ridge.coef_,
            ridge.sigma_,
            float(ridge.intercept_ + ridge.coef_ @ centre),
            float(1.0 / ridge.alpha_),
            len(y),
        )

    def moments(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the noise-free value (Bishop 2006, equations 3.58 and 3.59):
        (b, w) -> (b,), (b,)."""
        about = phi - self.centre
        variance = np.einsum("bi,ij,bj->b", about, self.covariance, about)
        return self.intercept + about @ self.weights, np.maximum(
            variance, 0.0
        ) + self.noise / self.n


@dataclass(frozen=True)
class LaplaceModel:
    """A network trained on squared error, its last layer then replaced by a posterior.

    For a linear layer under squared error the Laplace approximation is no approximation (Kristiadi,
    Hein, Hennig 2020, section 3; Daxberger et al. 2021): it is Bayesian linear regression, in
    closed form. The layers below count as known, so that the spread grows only along directions
    which they still show. `recipe.make` may be a `Cgcnn`.
    """

    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> FittedLaplace:
        rows = Training.of(X, y)
        seed = np.random.SeedSequence([self.seed, 0])
        network = self.recipe.trained(rows.inputs, rows.goal, squared, 1, seed)
        if not outputs_of(network, rows.inputs).isfinite().all():
            raise ValueError("the network has diverged: lower the learning rate")
        linear = Linear.fitted(penultimate_of(network, rows.inputs).numpy(), rows.goal)
        return FittedLaplace(network, linear, rows.units)


@dataclass(frozen=True)
class FittedLaplace:
    network: nn.Module
    linear: Linear
    units: Units

    def predict(self, X: Inputs | np.ndarray) -> Belief:
        phi = penultimate_of(self.network, self.units.inside(X)).numpy()
        mean, variance = self.linear.moments(phi)
        return self.units.belief(mean, variance, np.full(len(mean), self.linear.noise))
