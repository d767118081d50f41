from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from matscout.acquire.joint import joint_draws, standard_normals
from matscout.acquire.log_ei import LogExpectedImprovement
from matscout.acquire.log_noisy_ei import LogNoisyExpectedImprovement, log_noisy_ei

X = torch.rand(5, 2, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def test_it_is_the_expected_improvement_over_the_joint_belief(measured) -> None:
    """By plain Monte Carlo over (f(x), f(X)), in the target's units."""
    belief = measured.belief
    got = LogNoisyExpectedImprovement(measured.X, draws=1024)(belief, X.unsqueeze(-2)).exp()
    both = torch.cat([measured.X, X])
    mean, _ = belief.mean_sd(both)
    generator = torch.Generator().manual_seed(0)
    normals = torch.randn(200_000, len(both), generator=generator, dtype=torch.float64)
    draws = joint_draws(mean, belief.covariance(both, both), normals)
    observed, candidates = draws.split([len(measured.X), len(X)], dim=-1)
    improvement = (candidates - observed.amax(-1, keepdim=True)).clamp_min(0.0)
    error = improvement.std(0) / math.sqrt(len(draws))
    assert ((got - improvement.mean(0)).abs() < 4 * error + 0.03 * improvement.mean(0) + 1e-3).all()


class Known:
    """A belief that is certain, 3.0, at X = 0, and N(mean, sd) independently elsewhere."""

    loc, scale = 0.0, 1.0
    standardised = property(lambda self: self)

    def mean_sd(self, at):
        zero = at[..., 0] == 0
        return torch.where(zero, 3.0, at[..., 0]), torch.where(zero, 1e-5, at[..., 1])

    def covariance(self, a, b):
        same = (a.unsqueeze(1) == b.unsqueeze(0)).all(-1)
        return same * self.mean_sd(a)[1].square().unsqueeze(-1)


def test_where_the_best_is_certain_it_is_log_ei() -> None:
    observed = torch.zeros(1, 2, dtype=torch.float64)
    at = torch.tensor([[2.0, 1.0], [4.0, 0.5], [-30.0, 1.0]], dtype=torch.float64).unsqueeze(-2)
    got = LogNoisyExpectedImprovement(observed)(Known(), at)
    assert torch.allclose(got, LogExpectedImprovement(3.0)(Known(), at), rtol=1e-4)


def test_from_draws_it_is_the_mean_improvement() -> None:
    generator = torch.Generator().manual_seed(0)
    observed = torch.randn(64, 6, generator=generator, dtype=torch.float64)
    candidates = torch.randn(64, 9, generator=generator, dtype=torch.float64) + 1.0
    got = log_noisy_ei(observed, candidates).exp()
    expected = (candidates - observed.amax(-1, keepdim=True)).clamp_min(0.0).mean(0)
    assert np.allclose(got, expected, atol=1e-5)


def test_from_draws_hopeless_candidates_are_still_ranked() -> None:
    observed = torch.zeros(8, 1, dtype=torch.float64)
    candidates = -torch.tensor([[3.0, 2.0, 5.0]], dtype=torch.float64).expand(8, -1)
    scores = log_noisy_ei(observed, candidates)
    assert torch.isfinite(scores).all() and scores.argsort().tolist() == [2, 0, 1]


def test_chunks_change_nothing_and_the_seed_is_all_the_chance(measured) -> None:
    many = torch.rand(400, 1, 2, dtype=torch.float64)
    card = LogNoisyExpectedImprovement(measured.X, draws=16, seed=3)
    whole = card(measured.belief, many)
    assert torch.equal(whole, card(measured.belief, many))
    parts = torch.cat([card(measured.belief, part) for part in many.split(90)])
    assert torch.allclose(whole, parts)
    assert standard_normals(16, 9, 3).shape == (16, 9)


def test_joint_scores_are_refused(measured) -> None:
    with pytest.raises(AssertionError, match="q"):
        LogNoisyExpectedImprovement(measured.X)(measured.belief, X[:4].reshape(2, 2, 2))
