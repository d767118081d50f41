from __future__ import annotations

import pytest
import torch

from matscout.acquire.joint import Fantasies, in_chunks, joint_draws, standard_normals

Tensor = torch.Tensor


def grid(n: int = 6) -> Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def test_draws_have_the_moments_they_were_asked_for_and_repeat() -> None:
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    covariance = torch.tensor([[2.0, 0.7], [0.7, 0.5]], dtype=torch.float64)
    draws = joint_draws(mean, covariance, standard_normals(8192, 2, seed=3))
    assert torch.allclose(draws.mean(0), mean, atol=5e-3)
    assert torch.allclose(torch.cov(draws.mT), covariance, atol=2e-2)
    assert torch.equal(standard_normals(8, 5, seed=3), standard_normals(8, 5, seed=3))
    assert not torch.equal(standard_normals(8, 5, seed=3), standard_normals(8, 5, seed=4))


def test_fantasies_are_conditional_normals(measured) -> None:
    """Mean and sd over all draws come back by the laws of total expectation and variance."""
    belief, X = measured.belief.standardised, grid(4)
    fantasies = Fantasies.drawn(belief, X, standard_normals(4096, 4, seed=0))
    at = grid(9)[4:]
    means, sd = fantasies.at(at)
    mean, whole = belief.mean_sd(at)
    assert means.shape == (4096, 5) and sd.shape == (5,)
    assert torch.allclose(means.mean(0), mean, atol=1e-2)
    assert torch.allclose(means.var(0) + sd.square(), whole.square(), rtol=2e-2, atol=1e-3)


def test_a_fantasy_passes_through_its_own_values(measured) -> None:
    X = grid(4)
    fantasies = Fantasies.drawn(measured.belief, X, standard_normals(16, 4, seed=0))
    means, sd = fantasies.at(X)
    assert torch.allclose(means, fantasies.values, atol=1e-3) and float(sd.max()) < 1e-2


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_chunks_change_nothing(rows: int) -> None:
    X = torch.rand(9, 2, dtype=torch.float64)
    assert torch.equal(in_chunks(lambda part: part.sum(-1), X, rows), X.sum(-1))
