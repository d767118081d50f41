"""A Gaussian process whose kernel is a sum of Matern kernels, one for each block of features.

Composition, geometry and the features of a pretrained network each have their own scale and length,
and the process finds out which of them matter (additive kernels: Duvenaud, Nickisch & Rasmussen,
NeurIPS 2011, order 1 over blocks). Hyperparameters are the maximum a posteriori (Rasmussen & Williams
(2006), Eq. 2.30, and the priors below); classes are regressed as -1 and 1 (section 6.5 there).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import AdditiveKernel, Kernel, MaternKernel, ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior
from linear_operator.utils.cholesky import psd_safe_cholesky
from scipy.special import ndtr
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from torch import Tensor

from matscout.errors import InputError
from matscout.models.exactly import exactly
from matscout.models.uncertainty.belief import Belief

MAX_FIT = 400
"""Rows, spread evenly over the data, that hyperparameters are fitted on at most; the process uses all
rows."""
MAX_STEPS = 60
"""Of L-BFGS. Of 1,012 phonon crystals with three and four blocks 60 steps took 5 and 6 s of one core,
and the rest was predicted to 30.2 1/cm; all 173 and 212 steps took 11 and 16 s, and it was 30.9 and
30.5."""
MOST = 6000
"""Rows; their covariance takes 300 MB, and a few copies of it are needed."""
_NOISE = (-3.0, 1.0)
"""Mean and sd of the log variance of the noise, for a target of variance 1."""

Blocks = Sequence[tuple[str, int, int]]


class _BlockMatern(BaseEstimator):
    """`blocks`: name, first column, and the one after the last (-1: to the end); empty: one of all
    columns. `nu`: 0.5, 1.5 or 2.5. Inputs (n, d) scaled, so that a column varies by about 1.
    """

    def __init__(
        self, blocks: Blocks = (), nu: float = 2.5, random_state: int | None = None
    ) -> None:
        self.blocks = blocks
        self.nu = nu
        self.random_state = random_state

    def _process(self, x: np.ndarray, y: np.ndarray) -> _Process:
        """For targets (n,) of mean 0 and variance 1."""
        if len(x) > MOST:
            what = f"{len(x)} rows are too many for a Gaussian process, which takes {MOST}"
            raise InputError("model", what, "use extra_trees or lightgbm")
        inputs, goal = torch.from_numpy(x).double(), torch.from_numpy(y).double()[:, None]
        few = np.unique(np.linspace(0, len(x) - 1, min(MAX_FIT, len(x))).round().astype(int))
        with exactly():
            model = self._model(inputs[few], goal[few])
            fit_gpytorch_mll(
                ExactMarginalLogLikelihood(model.likelihood, model),
                optimizer_kwargs={"options": {"maxiter": MAX_STEPS}},
            )
            return _Process.of(model.eval(), inputs, goal[:, 0])

    def _model(self, x: Tensor, y: Tensor) -> SingleTaskGP:
        noise = LogNormalPrior(*_NOISE)
        likelihood = GaussianLikelihood(
            noise_prior=noise,
            noise_constraint=GreaterThan(1e-6, transform=None, initial_value=math.exp(_NOISE[0])),
        )
        kernel = self._kernel(x.shape[1])
        return SingleTaskGP(
            x, y, likelihood=likelihood, covar_module=kernel, outcome_transform=None
        )

    def _kernel(self, width: int) -> Kernel:
        parts = self.blocks or (("all", 0, width),)
        return AdditiveKernel(
            *(
                self._part(list(range(first, width if last == -1 else last)), len(parts))
                for _, first, last in parts
            )
        )

    def _part(self, columns: list[int], of: int) -> Kernel:
        # Rows lie about sqrt(2 d) apart: the median of the prior; e² of it either way are two sds.
        middle = 0.5 * math.log(2 * max(len(columns), 1))
        length = LogNormalPrior(middle, 1.0)
        share = LogNormalPrior(-math.log(of), 1.0)
        matern = MaternKernel(
            self.nu, active_dims=columns, lengthscale_prior=length,
            lengthscale_constraint=GreaterThan(1e-3, transform=None, initial_value=math.exp(middle)),
        )  # fmt: skip
        return ScaleKernel(
            matern, outputscale_prior=share,
            outputscale_constraint=GreaterThan(1e-6, transform=None, initial_value=1.0 / of),
        )  # fmt: skip


class BlockMaternRegressor(RegressorMixin, _BlockMatern):
    """Targets (n,) are standardised inside."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> BlockMaternRegressor:
        self.loc_, self.scale_ = float(y.mean()), float(y.std()) or 1.0
        self.process_ = self._process(x, (y - self.loc_) / self.scale_)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.process_.mean(x) * self.scale_ + self.loc_

    def believe(self, x: np.ndarray) -> Belief:
        """In the target's own unit."""
        noise = float(self.process_.model.likelihood.noise.detach())
        known = np.sqrt(np.maximum(np.square(self.process_.sd(x)) - noise, 0.0))
        inside = Belief(self.process_.mean(x), known, np.full(len(x), math.sqrt(noise)))
        return inside.in_units(self.loc_, self.scale_)


class BlockMaternClassifier(ClassifierMixin, _BlockMatern):
    """Each class against the rest; a probability is that of a value above 0, noise included."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> BlockMaternClassifier:
        self.classes_ = np.unique(y)
        self.processes_: list[_Process] = []
        self.scales_: list[tuple[float, float]] = []
        for label in self.classes_[-1:] if len(self.classes_) == 2 else self.classes_:
            signed = np.where(y == label, 1.0, -1.0)
            loc, scale = float(signed.mean()), float(signed.std()) or 1.0
            self.scales_.append((loc, scale))
            self.processes_.append(self._process(x, (signed - loc) / scale))
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """(n, k)."""
        each = []
        for process, (loc, scale) in zip(self.processes_, self.scales_, strict=True):
            each.append(ndtr((process.mean(x) + loc / scale) / process.sd(x)))
        if len(each) == 1:
            return np.column_stack([1 - each[0], each[0]])
        found = np.column_stack(each)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])


@dataclass(frozen=True)
class _Process:
    """The posterior of all training rows under hyperparameters that are fitted: Rasmussen & Williams
    (2006), Algorithm 2.1.

    GPyTorch would predict all rows together, with distances taken from their common mean: a strange
    row then moves the last digits of every other.
    """

    model: SingleTaskGP
    inputs: Tensor  # (n, d)
    cholesky: Tensor  # (n, n), of K + noise
    weights: Tensor  # (n, 1), (K + noise)^-1 (y - mean)
    middle: float

    @classmethod
    def of(cls, model: SingleTaskGP, inputs: Tensor, y: Tensor) -> _Process:
        with torch.no_grad():
            middle = float(model.mean_module(inputs[:1])[0])
            covariance = model.covar_module(inputs).to_dense()
            covariance.diagonal().add_(model.likelihood.noise)
            lower = psd_safe_cholesky(covariance)
            return cls(
                model, inputs, lower, torch.cholesky_solve(y[:, None] - middle, lower), middle
            )

    def mean(self, x: np.ndarray) -> np.ndarray:
        """(m,) of rows (m, d)."""
        with torch.no_grad(), exactly():
            return (self._across(x).mT @ self.weights)[:, 0].numpy() + self.middle

    def sd(self, x: np.ndarray) -> np.ndarray:
        """(m,), noise included."""
        with torch.no_grad(), exactly():
            across = self._across(x)
            solved = torch.linalg.solve_triangular(self.cholesky, across, upper=False)
            prior = sum(part.outputscale for part in self.model.covar_module.kernels)
            variance = prior + self.model.likelihood.noise - solved.square().sum(0)
            return np.asarray(variance.clamp_min(1e-12).sqrt().numpy())

    def _across(self, x: np.ndarray) -> Tensor:
        """(n, m): of every training row with every row of `x`."""
        return self.model.covar_module(self.inputs, torch.from_numpy(x).double()).to_dense()
