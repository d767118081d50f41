"""Deep kernel learning: a Gaussian process on what a network's last layer is shown, both learned by
the marginal likelihood (Wilson, Hu, Salakhutdinov, Xing, AISTATS 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import gpytorch
import numpy as np
import torch
from gpytorch.constraints import GreaterThan
from gpytorch.distributions import MultivariateNormal
from gpytorch.kernels import RBFKernel, ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.means import ConstantMean
from torch import Tensor, nn

from matscout.models.exactly import exactly
from matscout.models.inputs import Inputs
from matscout.models.recipe import Recipe, last_linear, penultimate_of, squared
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.training import Training, Units

_MIN_NOISE = 1e-4
"""Of the standardised target: a network can put any two rows apart or together, and without a floor it
explains the last digit."""


class FeatureGP(gpytorch.models.ExactGP):
    """y = f(phi) + noise; phi (n, w) float64, y (n,) standardised. One lengthscale for all features
    (Wilson et al., equation 4 with an RBF base kernel), at first their median distance."""

    def __init__(self, phi: Tensor, y: Tensor) -> None:
        super().__init__(phi, y, GaussianLikelihood(noise_constraint=GreaterThan(_MIN_NOISE)))
        self.mean_module = ConstantMean()
        self.covar_module = ScaleKernel(RBFKernel())
        self.double()
        distance = torch.pdist(phi)
        middle = float(distance.median()) if len(distance) else 1.0
        self.covar_module.base_kernel.lengthscale = max(middle, 1e-3)
        self.covar_module.outputscale = 1.0
        self.likelihood.noise = 0.1

    def forward(self, phi: Tensor) -> MultivariateNormal:
        return MultivariateNormal(self.mean_module(phi), self.covar_module(phi))


@dataclass(frozen=True)
class DeepKernelModel:
    """A network trained on squared error, as the paper starts; then network and kernel together, by
    the exact marginal likelihood of all rows at once, `steps` steps of Adam: at `kernel_lr` for kernel
    and noise, at `network_lr` for the layers below the last. 0 for `network_lr`: a Gaussian process on
    features that stay.

    The marginal likelihood does not guard thousands of weights against overfitting as it guards a few
    lengthscales: features of unlike rows may be drawn together, which makes it too sure (Ober,
    Rasmussen, van der Wilk, UAI 2021). So the steps are few and small. Far from all rows it knows that
    it knows nothing. Cost: n³ a step, meant for 2,000 rows. `recipe.make` may be a `Cgcnn`.
    """

    recipe: Recipe = field(default_factory=Recipe)
    steps: int = 100
    kernel_lr: float = 0.05
    network_lr: float = 1e-4
    seed: int = 0

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> FittedDeepKernel:
        rows = Training.of(X, y)
        seed = np.random.SeedSequence([self.seed, 0])
        network = self.recipe.trained(rows.inputs, rows.goal, squared, 1, seed)
        phi = penultimate_of(network, rows.inputs)
        if not phi.isfinite().all():
            raise ValueError("the network has diverged: lower the learning rate")
        process = FeatureGP(phi, torch.from_numpy(rows.goal))
        self._learn(network, rows.inputs, process)
        process.eval().requires_grad_(False)
        process.set_train_data(penultimate_of(network, rows.inputs), strict=False)
        return FittedDeepKernel(network, process, rows.units)

    def _learn(self, network: nn.Module, inputs: Inputs, process: FeatureGP) -> None:
        """Both in place. The network stays in `eval`: what few rows would make of its normalisation
        is worse, and dropout would leave nothing to factorise twice."""
        groups = [{"params": list(process.parameters()), "lr": self.kernel_lr}]
        if self.network_lr > 0:
            groups.append({"params": list(network.parameters()), "lr": self.network_lr})
        optimiser = torch.optim.Adam(groups)
        evidence = gpytorch.mlls.ExactMarginalLogLikelihood(process.likelihood, process)
        process.train()
        with exactly():
            for _ in range(self.steps):
                phi = (
                    shown_last(network, inputs) if self.network_lr > 0 else process.train_inputs[0]
                )
                process.set_train_data(phi, strict=False)
                loss = -evidence(process(phi), process.train_targets)
                if not math.isfinite(float(loss.detach())):
                    raise ValueError("the kernel has diverged: lower network_lr or kernel_lr")
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()


@dataclass(frozen=True)
class FittedDeepKernel:
    network: nn.Module
    process: FeatureGP
    units: Units

    def predict(self, X: Inputs | np.ndarray) -> Belief:
        phi = penultimate_of(self.network, self.units.inside(X))
        with torch.no_grad(), exactly():
            latent = self.process(phi)
        noise = float(self.process.likelihood.noise)
        variance = latent.variance.clamp_min(0.0).numpy()
        return self.units.belief(latent.mean.numpy(), variance, np.full(len(phi), noise))


def shown_last(network: nn.Module, inputs: Inputs) -> Tensor:
    """What the last linear layer is shown, as `penultimate_of`, but of all rows in one pass and with
    gradients: (n, w) float64."""
    seen: list[Tensor] = []
    handle = last_linear(network).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        device = next(network.parameters()).device
        network(inputs.to(device).batch(torch.arange(len(inputs))))
    finally:
        handle.remove()
    return seen[-1].double().cpu()
