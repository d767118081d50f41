"""Matern-5/2 with lengthscales that are shrunk toward one another.

The prior on the log lengthscales is log l ~ N(mu 1, 3 11' + 0.8^2 I), mu = sqrt 2 + 1/2 log d. Its
first part moves all of them together and is wide; its second lets each one leave the others and is
narrow. So the process is close to isotropic while points are few, and turns to automatic relevance
determination as they come. mu is the dimension-scaled location of Hvarfner, Hellsten, Nardi 2024
("Vanilla Bayesian Optimization Performs Great in High Dimensions").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from gpytorch.constraints import Positive
from gpytorch.kernels import MaternKernel
from gpytorch.priors import MultivariateNormalPrior
from torch import Tensor

SHARED_VARIANCE = 3.0
OWN_SD = 0.8


class GroupedMatern(MaternKernel):
    """Matern-5/2 in which columns of one group share a lengthscale.

    The columns of a one-hot category are one group: they are one parameter, and a lengthscale each
    would let the fit play its values off against each other. `groups` names each column's group,
    0, 1, …; without it, every column is its own.
    """

    def __init__(self, groups: Sequence[int]) -> None:
        n_groups = max(groups) + 1
        super().__init__(
            nu=2.5,
            ard_num_dims=n_groups,
            # A log parameter: steps of the optimiser are ratios, and the prior is Gaussian in it.
            lengthscale_constraint=Positive(transform=torch.exp, inv_transform=torch.log),
        )
        self.ard_num_dims = len(groups)  # what inputs are checked against
        self.register_buffer("groups", torch.tensor(groups, dtype=torch.long))
        self.register_prior(
            "shrinkage",
            shrinkage_prior(n_groups),
            lambda kernel: kernel.log_lengthscale,
        )
        # Half the prior's median: near what data ask for, so that the fit is short.
        start = math.log(0.5) + 0.5 * math.log(n_groups)
        self.raw_lengthscale.data = torch.full((1, n_groups), start, dtype=torch.float64)

    @property
    def log_lengthscale(self) -> Tensor:
        """(n_groups,)"""
        return self.raw_lengthscale.squeeze(0)

    @property
    def lengthscale(self) -> Tensor:
        """(1, n_columns), as the forward pass divides by it."""
        return self.raw_lengthscale.exp()[..., self.groups]


def shrinkage_prior(d: int) -> MultivariateNormalPrior:
    """The density of d log lengthscales (module docstring)."""
    mu = math.sqrt(2.0) + 0.5 * math.log(d)
    shared = torch.full((d, d), SHARED_VARIANCE, dtype=torch.float64)
    own = OWN_SD**2 * torch.eye(d, dtype=torch.float64)
    return MultivariateNormalPrior(torch.full((d,), mu, dtype=torch.float64), shared + own)
