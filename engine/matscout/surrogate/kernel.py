"""Matern-5/2 over all columns together plus Matern-5/2 over each alone, lengthscales shared.

The additive part lets a few points say what each column does by itself (additive Gaussian
processes: Duvenaud, Nickisch, Rasmussen 2011, equation 4, orders 1 and d); the joint part has the
rest. A column's lengthscale in the additive part is `STRETCH` times its lengthscale in the joint
one, so there are no more of them to learn.

The prior on the log lengthscales is log l ~ N(mu 1, 3 11' + 0.8^2 I), mu = sqrt 2 + 1/2 log d. Its
first part moves all of them together and is wide; its second lets each one leave the others and is
narrow. So the process is close to isotropic while points are few, and turns to automatic relevance
determination as they come. mu is the dimension-scaled location of Hvarfner, Hellsten, Nardi 2024
("Vanilla Bayesian Optimization Performs Great in High Dimensions").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from gpytorch.kernels import Kernel
from gpytorch.priors import MultivariateNormalPrior, NormalPrior
from torch import Tensor
from torch.nn import Parameter

SHARED_VARIANCE = 3.0
OWN_SD = 0.8
STRETCH = 2.0
VARIANCE_PRIORS = ((-0.7, 0.9), (0.0, 0.8))
"""Mean and sd of the log variance of the joint and of the additive part, for a target of variance 1.
The additive one is the larger: on recorded experiments the top was found sooner so (crossed barrel
.97, silver nanoparticles .97, autoam 1.01 of the experiments with the joint part's prior for both)."""

_ROOT_5 = math.sqrt(5.0)

_BLOCK = 60_000
"""Entries of the covariance held at once: half a megabyte, which a second-level cache keeps."""


class AdditiveMatern(Kernel):
    """Columns of one group share a lengthscale and stand together in the additive part.

    The columns of a one-hot category are one group: they are one parameter, and a lengthscale each
    would let the fit play its values off against each other. `groups` names each column's group,
    0, 1, ….
    """

    def __init__(self, groups: Sequence[int]) -> None:
        super().__init__()
        self.n_groups = max(groups) + 1
        self.register_buffer("groups", torch.tensor(groups, dtype=torch.long))
        # Log parameters: steps of the optimiser are ratios, and the priors are Gaussian in them.
        # Half the prior's median is near what data ask for, so that the fit is short.
        start = torch.full((self.n_groups,), math.log(0.5) + 0.5 * math.log(self.n_groups))
        self.register_parameter("log_lengthscale", Parameter(start.double()))
        halves = torch.full((2,), math.log(0.5), dtype=torch.float64)
        self.register_parameter("log_variance", Parameter(halves))
        shrinkage = shrinkage_prior(self.n_groups)
        self.register_prior("shrinkage", shrinkage, lambda kernel: kernel.log_lengthscale)
        means, sds = torch.tensor(VARIANCE_PRIORS, dtype=torch.float64).unbind(1)
        variance = NormalPrior(means, sds)
        self.register_prior("variance", variance, lambda kernel: kernel.log_variance)

    @cached_property
    def membership(self) -> Tensor:
        """(d, g), 1 where a column is of a group."""
        return torch.nn.functional.one_hot(self.groups, self.n_groups).double()

    @property
    def prior_variance(self) -> Tensor:
        """Of f at any point, a scalar."""
        return self.log_variance.exp().sum()

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: Any) -> Tensor:
        """(…, a, d), (…, b, d) -> (…, a, b)."""
        if diag:
            return self.prior_variance.expand(x1.shape[:-1])
        scales = self.log_lengthscale.exp()[self.groups]
        x1, x2 = x1 / scales, x2 / scales
        if x1.dim() == x2.dim() == 2 and not x2.requires_grad:
            if not x1.requires_grad:
                with torch.no_grad():
                    return self._blockwise(x1, x2)
            if not (self.log_lengthscale.requires_grad or self.log_variance.requires_grad):
                return torch.as_tensor(_Climbed.apply(x1, x2, self))
        joint, additive = self.log_variance.exp()
        out = joint * _matern(_squares(x1, x2))
        for group in range(self.n_groups):
            columns = self.groups == group
            squares = _squares(x1[..., columns], x2[..., columns]) / STRETCH**2
            out = out + additive / self.n_groups * _matern(squares)
        return out

    def _blockwise(self, x1: Tensor, x2: Tensor) -> Tensor:
        """The same without derivatives, in place and in blocks that stay in the cache: a sixth of
        the time, which is what scoring a large pool takes. x1, x2 are divided by the lengthscales.
        """
        joint, additive = self.log_variance.exp().tolist()
        columns = [(self.groups == group).nonzero()[:, 0] for group in range(self.n_groups)]
        out = x1.new_zeros(len(x1), len(x2))
        step = max(_BLOCK // max(len(x2), 1), 1)
        for i in range(0, len(x1), step):
            part, rows = out[i : i + step], x1[i : i + step]
            squares = torch.zeros_like(part)
            for group in columns:
                if len(group) == 1:
                    r = (rows[:, group] - x2[:, group].mT).abs_()
                else:
                    r = _squares(rows[:, group], x2[:, group]).sqrt_()
                squares.addcmul_(r, r)
                _add_matern(part, r.mul_(_ROOT_5 / STRETCH), additive / self.n_groups)
            _add_matern(part, squares.sqrt_().mul_(_ROOT_5), joint)
        return out


class _Climbed(torch.autograd.Function):
    """The kernel of a few rows with its derivative by them written out, for a search that climbs a
    score: a graph of every product took six times as long as the products.
    """

    @staticmethod
    def forward(ctx: Any, x1: Tensor, x2: Tensor, kernel: AdditiveMatern) -> Tensor:
        """d matern(r) / dx = -5/3 (1 + r) exp(-r) dx, where r is √5 times the distance."""
        g = kernel.n_groups
        joint, additive = kernel.log_variance.exp().tolist()
        weights = torch.tensor([additive / g] * g + [joint], dtype=x1.dtype)
        away = x1.unsqueeze(1) - x2  # (a, b, d)
        squares = away.square() @ kernel.membership  # (a, b, g)
        whole = squares.sum(-1, keepdim=True)
        r = torch.cat([squares / STRETCH**2, whole], dim=-1).sqrt_().mul_(_ROOT_5)
        weighted = torch.exp(-r) * weights
        slope = weighted * (1.0 + r)
        ctx.groups = kernel.groups
        ctx.save_for_backward(away, slope[..., :g] / STRETCH**2 + slope[..., g:])
        return (slope + weighted * r.square() / 3.0).sum(-1)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None, None]:
        away, slope = ctx.saved_tensors
        by_column = slope[..., ctx.groups] * above[0].unsqueeze(-1)
        return -5.0 / 3.0 * (by_column * away).sum(1), None, None


def shrinkage_prior(d: int) -> MultivariateNormalPrior:
    """The density of d log lengthscales (module docstring)."""
    mu = math.sqrt(2.0) + 0.5 * math.log(d)
    shared = torch.full((d, d), SHARED_VARIANCE, dtype=torch.float64)
    own = OWN_SD**2 * torch.eye(d, dtype=torch.float64)
    return MultivariateNormalPrior(torch.full((d,), mu, dtype=torch.float64), shared + own)


def _squares(x1: Tensor, x2: Tensor) -> Tensor:
    """Squared distances, (…, a, b)."""
    if x1.shape[-1] == 1:
        return (x1 - x2.mT).square()
    return torch.cdist(x1, x2, compute_mode="donot_use_mm_for_euclid_dist").square()


def _matern(squares: Tensor) -> Tensor:
    """Rasmussen and Williams 2006, equation 4.17, of the squared scaled distance."""
    # The root has no gradient at 0, where the kernel is flat anyway.
    r = _ROOT_5 * squares.clamp_min(1e-30).sqrt()
    return (1.0 + r + r.square() / 3.0) * torch.exp(-r)


def _add_matern(out: Tensor, r: Tensor, weight: float) -> None:
    """out += weight * (1 + r + r²/3) exp(-r), r being the scaled distance times √5; r is used up."""
    polynomial = torch.mul(r, 1.0 / 3.0).add_(1.0).mul_(r).add_(1.0)
    out.addcmul_(polynomial, r.neg_().exp_(), value=weight)
