from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

Tensor = torch.Tensor


@dataclass(frozen=True)
class ExactGP:
    """A Gaussian process by the textbook, lengthscale 0.4, in units of loc + 50 * f."""

    X: Tensor  # (n, d)
    y: Tensor  # (n,), standardised
    noise: float = 0.01
    loc: float = 300.0
    scale: float = 50.0

    @property
    def standardised(self) -> ExactGP:
        return replace(self, loc=0.0, scale=1.0)

    def prior(self, A: Tensor, B: Tensor) -> Tensor:
        difference = A.unsqueeze(-2) - B.unsqueeze(-3)
        return torch.exp(-0.5 * (difference / 0.4).square().sum(-1))

    def weights(self, A: Tensor) -> Tensor:
        K = self.prior(self.X, self.X) + self.noise * torch.eye(len(self.X), dtype=A.dtype)
        return self.prior(A, self.X) @ torch.linalg.inv(K)

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        flat = X.reshape(-1, X.shape[-1])
        weights = self.weights(flat)
        variance = 1.0 - (weights * self.prior(flat, self.X)).sum(-1)
        mean, sd = self.loc + self.scale * (weights @ self.y), variance.clamp_min(1e-12).sqrt()
        return mean.reshape(X.shape[:-1]), (self.scale * sd).reshape(X.shape[:-1])

    def covariance(self, A: Tensor, B: Tensor) -> Tensor:
        return self.scale**2 * (self.prior(A, B) - self.weights(A) @ self.prior(self.X, B))

    def believing(self, X: Tensor) -> ExactGP:
        mean, _ = self.standardised.mean_sd(X)
        return replace(self, X=torch.cat([self.X, X]), y=torch.cat([self.y, mean]))


@dataclass(frozen=True)
class Measured:
    belief: ExactGP
    X: Tensor  # (n, d)


@pytest.fixture(scope="session")
def measured() -> Measured:
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(9, 2, generator=generator, dtype=torch.float64)
    y = torch.sin(5 * X.sum(-1)) + 0.1 * torch.randn(9, generator=generator, dtype=torch.float64)
    return Measured(ExactGP(X, y), X)
