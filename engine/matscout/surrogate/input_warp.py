"""Kumaraswamy warps of inputs: a process that changes faster at one end gets more room there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.scaling import UnitBox

CONCENTRATION_SD = math.sqrt(0.75)
"""Of the log concentrations, whose median is 0, no warp: the prior that BoTorch's `Warp` advises."""

LOG_RANGE = 2.5
"""|log a| and |log b| end there: x^12 is all the bend that any column needs."""

ROUNDS = 2
"""How often warp and process are fitted in turn, each to the other; a third changes nothing."""

_EDGE = 1e-7  # how near to 0 and 1 an input may come: the powers have no derivative there


@dataclass(frozen=True)
class WarpedBox(UnitBox):
    """A `UnitBox` whose columns `warped` (k,) are bent inside [0, 1]: x -> 1 - (1 - x^a)^b.

    Snoek, Swersky, Zemel, Adams 2014 ("Input Warping for Bayesian Optimization of Non-Stationary
    Functions"), with Kumaraswamy's distribution function in place of the beta's, as in BoTorch.
    `log_ab` is (2, k).
    """

    warped: Tensor
    log_ab: Tensor

    def __call__(self, X: Tensor) -> Tensor:
        return bent(super().__call__(X), self.warped, self.log_ab)


def bent(X: Tensor, warped: Tensor, log_ab: Tensor) -> Tensor:
    """(…, d) -> (…, d): columns `warped` (k,) by the exponents exp(log_ab), (2, k)."""
    a, b = log_ab.exp()
    x = X[..., warped].clamp(_EDGE, 1.0 - _EDGE)
    out = X.clone()
    out[..., warped] = -(b * torch.log1p(-x.pow(a))).expm1()  # exact where x^a is small, too
    return out


def columns_of_numbers(groups: Sequence[int], X: Tensor) -> Tensor:
    """(k,): columns of X (n, d) in a group by themselves (a shared one is a category, one-hot) that
    have three values or more (a bend cannot be seen in two).
    """
    shared = Counter(groups)
    varied = [len(column.unique()) > 2 for column in X.mT]
    found = [i for i, group in enumerate(groups) if shared[group] == 1 and varied[i]]
    return torch.tensor(found, dtype=torch.long)


def with_warped_inputs(
    found: GpPosterior, Y: Tensor, Yvar: Tensor | None, max_fit: int
) -> GpPosterior:
    """`found`, refitted with its columns of numbers bent; Y and Yvar (n, 1) as it was given them.

    The exponents are MAP given the kernel, then the kernel is MAP given them, `ROUNDS` times.
    Raises FitFailed. Returns `found` itself where there is no column to bend.
    """
    groups = found.kernel.groups.tolist()
    warped = columns_of_numbers(groups, found.X)
    if not len(warped):
        return found
    flat, fitted = found.X, found
    log_ab = torch.zeros(2, len(warped), dtype=flat.dtype)
    for _ in range(ROUNDS):
        log_ab = _exponents(fitted, flat, warped, log_ab)
        process = GaussianProcess(groups=groups, max_fit=max_fit)
        fitted = process.fit(bent(flat, warped, log_ab), Y, Yvar)
    box = WarpedBox(found.box.low, found.box.width, warped, log_ab)
    return replace(fitted, box=box)


def _exponents(fitted: GpPosterior, flat: Tensor, warped: Tensor, start: Tensor) -> Tensor:
    """The most probable `log_ab`, (2, k), under the kernel and the noise of `fitted`."""
    y, noise = fitted.y, fitted.noise.diag()

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        log_ab = torch.from_numpy(numbers.reshape(start.shape)).requires_grad_(True)
        rows = bent(flat, warped, log_ab)
        factor, failed = torch.linalg.cholesky_ex(fitted.kernel.forward(rows, rows) + noise)
        if int(failed):
            return math.inf, np.zeros_like(numbers)
        white = torch.linalg.solve_triangular(factor, y.unsqueeze(-1), upper=False)
        value = 0.5 * white.square().sum() + factor.diagonal().log().sum()
        value = value + 0.5 * (log_ab / CONCENTRATION_SD).square().sum()
        value.backward()
        assert log_ab.grad is not None
        return float(value.detach()), log_ab.grad.numpy().ravel()

    bounds = [(-LOG_RANGE, LOG_RANGE)] * start.numel()
    found = minimize(
        loss, start.numpy().ravel(), jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 50, "ftol": 1e-6},
    )  # fmt: skip
    return torch.from_numpy(found.x.reshape(start.shape).copy())
