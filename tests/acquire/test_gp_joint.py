from __future__ import annotations

import pytest
import torch

from matscout.acquire.gp_joint import GpJoint
from matscout.surrogate.gp import GaussianProcess

Tensor = torch.Tensor


@pytest.fixture(scope="module")
def belief() -> GpJoint:
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(9, 2, generator=generator, dtype=torch.float64)
    y = 300.0 + 50.0 * torch.sin(5 * X.sum(-1, keepdim=True))
    y = y + 5.0 * torch.randn(9, 1, generator=generator, dtype=torch.float64)
    return GpJoint(GaussianProcess().fit(X, y, torch.full_like(y, 25.0)))


def grid(n: int = 6) -> Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def test_the_covariance_agrees_with_the_sd(belief) -> None:
    X = grid()
    _, sd = belief.mean_sd(X)
    covariance = belief.covariance(X, X)
    assert torch.allclose(covariance.diagonal().sqrt(), sd, rtol=1e-6)
    assert torch.allclose(covariance, covariance.mT)
    assert torch.linalg.eigvalsh(covariance).min() > -1e-6
    inside = belief.standardised.covariance(X, X)
    assert torch.allclose(inside * belief.scale**2, covariance)


def test_the_covariance_says_what_believing_a_point_does(belief) -> None:
    """var(t | x) = var(t) - cov(t, x)^2 / (var(x) + noise), against a posterior with x in it."""
    X, inside = grid(), belief.standardised
    posterior = inside.posterior
    for row in X:
        x = row.unsqueeze(0)
        variance = inside.mean_sd(X)[1].square()
        at_x = float(inside.mean_sd(x)[1].square()) + posterior.noise_here
        expected = variance - inside.covariance(X, x).squeeze(-1).square() / at_x
        after = posterior.believe(x).mean_sd(X)[1].square()
        assert torch.allclose(after, expected, rtol=1e-6, atol=1e-10)


def test_before_any_measurement_it_is_the_kernel() -> None:
    empty = torch.zeros(0, 2, dtype=torch.float64)
    belief = GpJoint(GaussianProcess().fit(empty, torch.zeros(0, 1, dtype=torch.float64)))
    covariance = belief.covariance(grid(), grid())
    assert torch.allclose(covariance.diagonal().sqrt(), belief.mean_sd(grid())[1])
