"""The Gaussian process that is fitted, as a BoTorch model, and its fit."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from botorch.models import SingleTaskGP
from gpytorch.constraints import GreaterThan
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood, GaussianLikelihood
from gpytorch.likelihoods.noise_models import HomoskedasticNoise
from gpytorch.means import ZeroMean
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController
from torch import Tensor

from matscout.surrogate.base import FitFailed
from matscout.surrogate.evidence import Evidence, LogNormal, Shrinkage, grouped_squares
from matscout.surrogate.kernel import VARIANCE_PRIORS, AdditiveMatern, shrinkage_prior
from matscout.surrogate.noise_prior import BELIEVED, NoisePrior

MIN_NOISE = 1e-6
"""Of the standardised target: the least that keeps a Cholesky of near-duplicate rows stable."""

_LOG_RANGE = (-14.0, 8.0)
"""Beyond, a variance or a lengthscale is nothing or everything, and its exponential is no use."""


class ShrunkGP(SingleTaskGP):
    """y = f(X) + noise, f with zero mean and an `AdditiveMatern` covariance.

    X (n, d) in [0, 1], y (n,) standardised. `known` (n,) is the variance of each measurement, NaN
    where it was not given; None if none was. What is not known is learned, one noise for all.
    """

    def __init__(
        self,
        X: Tensor,
        y: Tensor,
        known: Tensor | None,
        kernel: AdditiveMatern,
        noise: NoisePrior = BELIEVED,
    ) -> None:
        super().__init__(
            X,
            y.unsqueeze(-1),
            likelihood=_likelihood(known, noise),
            covar_module=kernel,
            mean_module=ZeroMean(),
            outcome_transform=None,
        )
        self._noise_prior = noise

    @property
    def learned_noise(self) -> float:
        """The variance that all measurements share; 0 where every one was given."""
        if isinstance(self.likelihood, FixedNoiseGaussianLikelihood):
            return float(self.likelihood.second_noise)
        return float(self.likelihood.noise)

    @property
    def learns_noise(self) -> bool:
        """Whether there is a noise that no measurement came with."""
        fixed = isinstance(self.likelihood, FixedNoiseGaussianLikelihood)
        return not fixed or self.likelihood.second_noise_covar is not None

    def evidence(self) -> Evidence:
        """What `fit_` minimises: the same as BoTorch's loss of this model."""
        kernel = self.covar_module
        assert isinstance(kernel, AdditiveMatern)
        y = self.train_targets.numpy()
        given = np.zeros(len(y))
        if isinstance(self.likelihood, FixedNoiseGaussianLikelihood):
            given = self.likelihood.noise_covar.noise.detach().numpy()
        prior = shrinkage_prior(kernel.n_groups)
        precision = torch.linalg.inv(prior.covariance_matrix).numpy()
        return Evidence(
            grouped_squares(self.train_inputs[0].numpy(), kernel.groups.tolist()),
            y,
            given,
            self.learns_noise,
            Shrinkage(float(prior.loc[0]), precision),
            (LogNormal(*VARIANCE_PRIORS[0]), LogNormal(*VARIANCE_PRIORS[1])),
            self._noise_prior,
            MIN_NOISE,
        )

    def fit_(self, maxiter: int = 100) -> None:
        """Set the hyperparameters to their most probable values, from a fixed start."""
        parameters = [p for p in self._in_order() if p.numel()]
        start = np.concatenate([p.detach().numpy().ravel() for p in parameters])
        with _blas().limit(limits=1, user_api="blas"):
            found = minimize(
                self.evidence().loss,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=[_LOG_RANGE] * len(start),
                options={"maxiter": maxiter, "ftol": 1e-7},
            )
        # A line search that gives up at rounding noise has arrived: only the numbers matter.
        if not (math.isfinite(found.fun) and np.isfinite(found.x).all()):
            raise FitFailed(f"no hyperparameters explain the data: {found.message}")
        parts = torch.from_numpy(found.x).split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.data = part.reshape(parameter.shape).clone()
        self.eval()
        self.requires_grad_(False)

    def _in_order(self) -> list[Tensor]:
        """The parameters as `Evidence` counts them."""
        kernel = self.covar_module
        assert isinstance(kernel, AdditiveMatern)
        noise = self.likelihood
        learned = []
        if isinstance(noise, FixedNoiseGaussianLikelihood):
            if self.learns_noise:
                learned = [noise.second_noise_covar.raw_noise]
        else:
            learned = [noise.noise_covar.raw_noise]
        return [kernel.log_lengthscale, kernel.log_variance, *learned]


@cache
def _blas() -> ThreadpoolController:
    """To hold the linear algebra to one thread: for some hundred rows two gain nothing, and where
    other work has the cores they wait for each other. On two busy cores a fit to 200 rows took 14 s
    with two threads, 1 s with one.
    """
    return ThreadpoolController()


def _likelihood(
    known: Tensor | None, prior: NoisePrior
) -> GaussianLikelihood | FixedNoiseGaussianLikelihood:
    floor = GreaterThan(MIN_NOISE, transform=torch.exp, inv_transform=torch.log)
    if known is None:
        learned = GaussianLikelihood(noise_constraint=floor)
        _with_prior(learned.noise_covar, prior)
        return learned
    some_missing = bool(known.isnan().any())
    fixed = FixedNoiseGaussianLikelihood(
        noise=known.nan_to_num(0.0).clamp_min(MIN_NOISE),
        learn_additional_noise=some_missing,
        noise_constraint=floor,
    )
    if some_missing:
        _with_prior(fixed.second_noise_covar, prior)
    return fixed


def _with_prior(noise: HomoskedasticNoise, prior: NoisePrior) -> None:
    noise.register_prior("noise_prior", prior.for_gpytorch(), lambda module: module.noise.log())
    noise.initialize(noise=math.exp(prior.mean))
