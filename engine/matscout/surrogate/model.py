"""The BoTorch model that is fitted: SingleTaskGP with a dense loss."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from botorch.exceptions.warnings import OptimizationWarning
from botorch.models import SingleTaskGP
from botorch.optim.fit import fit_gpytorch_mll_scipy
from gpytorch.constraints import GreaterThan, Positive
from gpytorch.kernels import ScaleKernel
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood, GaussianLikelihood
from gpytorch.likelihoods.noise_models import HomoskedasticNoise
from gpytorch.means import ZeroMean
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import NormalPrior
from linear_operator.utils.cholesky import psd_safe_cholesky
from linear_operator.utils.warnings import NumericalWarning
from torch import Tensor

from matscout.surrogate.base import FitFailed
from matscout.surrogate.kernel import GroupedMatern

SIGNAL_PRIOR = (0.0, 0.7)
NOISE_PRIOR = (-4.0, 1.0)
"""Mean and sd of the log variances, for a target of variance 1: noise is some 2 % of it."""

MIN_NOISE = 1e-6
"""Of the standardised target: the least that keeps a Cholesky of near-duplicate rows stable."""


class ShrunkGP(SingleTaskGP):
    """y = f(X) + noise, f with zero mean and a `GroupedMatern` covariance.

    X (n, d) in [0, 1], y (n,) standardised. `known` (n,) is the variance of each measurement, NaN
    where it was not given; None if none was. What is not known is learned, one noise for all.
    """

    def __init__(self, X: Tensor, y: Tensor, known: Tensor | None, kernel: GroupedMatern) -> None:
        covariance = ScaleKernel(kernel, outputscale_constraint=_log_parameter())
        covariance.register_prior(
            "signal_prior", NormalPrior(*SIGNAL_PRIOR), lambda module: module.outputscale.log()
        )
        super().__init__(
            X,
            y.unsqueeze(-1),
            likelihood=_likelihood(known),
            covar_module=covariance,
            mean_module=ZeroMean(),
            outcome_transform=None,
        )
        covariance.outputscale = 1.0

    @property
    def kernel(self) -> GroupedMatern:
        kernel = self.covar_module.base_kernel
        assert isinstance(kernel, GroupedMatern)
        return kernel

    @property
    def signal(self) -> Tensor:
        """Variance of f, a scalar."""
        signal = self.covar_module.outputscale
        assert isinstance(signal, Tensor)
        return signal

    @property
    def noise(self) -> Tensor:
        """Variance of each measurement, (n,)."""
        return self.likelihood.noise.expand(len(self.train_targets))

    @property
    def learned_noise(self) -> float:
        """The variance that all measurements share; 0 where every one was given."""
        if isinstance(self.likelihood, FixedNoiseGaussianLikelihood):
            return float(self.likelihood.second_noise)
        return float(self.likelihood.noise)

    def compute_custom_loss(self, mll: ExactMarginalLogLikelihood, **_: Any) -> Tensor:
        """Minus what `mll` computes, (log p(y | X) + log priors) / n, three times as fast.

        BoTorch looks for a method of this name. For dozens of rows nearly all of the general
        route's time goes into lazy operators, not into numbers.
        """
        X, y = self.train_inputs[0], self.train_targets
        covariance = self.signal * self.kernel.forward(X, X) + self.noise.diag()
        factor = psd_safe_cholesky(covariance)
        white = torch.linalg.solve_triangular(factor, y.unsqueeze(-1), upper=False)
        loss = 0.5 * white.square().sum() + factor.diagonal().log().sum()
        loss = loss + 0.5 * len(y) * math.log(2 * math.pi)
        for _name, module, prior, closure, _set in self.named_priors():
            loss = loss - prior.log_prob(closure(module)).sum()
        return loss / len(y)

    def fit_(self, maxiter: int = 100) -> None:
        """Set the hyperparameters to their most probable values, from a fixed start."""
        mll = ExactMarginalLogLikelihood(self.likelihood, self)
        mll.train()
        with warnings.catch_warnings():
            # A line search that gives up at rounding noise has arrived, and jitter is harmless.
            warnings.simplefilter("ignore", OptimizationWarning)
            warnings.simplefilter("ignore", NumericalWarning)
            try:
                fit_gpytorch_mll_scipy(mll, options={"maxiter": maxiter, "ftol": 1e-7})
            except (RuntimeError, ValueError, ArithmeticError) as error:
                raise FitFailed(f"{type(error).__name__}: {error}") from error
        mll.eval()
        if not all(bool(torch.isfinite(p).all()) for p in self.parameters()):
            raise FitFailed("the fit ended at hyperparameters that are no numbers")
        self.requires_grad_(False)


def _log_parameter() -> Positive:
    return Positive(transform=torch.exp, inv_transform=torch.log)


def _likelihood(known: Tensor | None) -> GaussianLikelihood | FixedNoiseGaussianLikelihood:
    floor = GreaterThan(MIN_NOISE, transform=torch.exp, inv_transform=torch.log)
    if known is None:
        learned = GaussianLikelihood(noise_constraint=floor)
        _with_prior(learned.noise_covar)
        return learned
    some_missing = bool(known.isnan().any())
    fixed = FixedNoiseGaussianLikelihood(
        noise=known.nan_to_num(0.0).clamp_min(MIN_NOISE),
        learn_additional_noise=some_missing,
        noise_constraint=floor,
    )
    if some_missing:
        _with_prior(fixed.second_noise_covar)
    return fixed


def _with_prior(noise: HomoskedasticNoise) -> None:
    prior = NormalPrior(*NOISE_PRIOR)
    noise.register_prior("noise_prior", prior, lambda module: module.noise.log())
    noise.initialize(noise=math.exp(NOISE_PRIOR[0]))
