from __future__ import annotations

import gpytorch
import pytest
import torch
from botorch.acquisition.active_learning import qNegIntegratedPosteriorVariance
from botorch.models import SingleTaskGP

from matscout.acquire.nipv import NegIntegratedPosteriorVariance, variance_removed

X = torch.rand(7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
AT = torch.rand(11, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_it_is_the_mean_variance_after_measuring_there(measured) -> None:
    belief = measured.belief
    noise = belief.noise * belief.scale**2
    score = NegIntegratedPosteriorVariance(AT, noise)(belief, X.unsqueeze(-2))
    for row, value in zip(X, score.tolist(), strict=True):
        _, sd = belief.believing(row.unsqueeze(0)).mean_sd(AT)
        assert value == pytest.approx(-float(sd.square().mean()), rel=1e-6)


def test_it_is_what_botorch_computes(measured) -> None:
    noise = 0.04
    train_X, train_Y = measured.X, torch.sin(measured.X.sum(-1, keepdim=True) * 4)
    model = SingleTaskGP(
        train_X,
        train_Y,
        torch.full_like(train_Y, noise),
        outcome_transform=None,
    )
    model.eval()

    class Wrapped:
        loc, scale = 0.0, 1.0
        standardised = property(lambda self: self)

        def mean_sd(self, at):
            with torch.no_grad():
                posterior = model.posterior(at)
            return posterior.mean.squeeze(-1), posterior.variance.squeeze(-1).sqrt()

        def covariance(self, a, b):
            with torch.no_grad(), gpytorch.settings.fast_computations(False, False, False):
                joint = model.posterior(torch.cat([a, b])).mvn.covariance_matrix
            return joint[: len(a), len(a) :]

    theirs = qNegIntegratedPosteriorVariance(model, mc_points=AT)
    with torch.no_grad():
        expected = theirs(X.unsqueeze(-2)).detach()
    got = NegIntegratedPosteriorVariance(AT, noise)(Wrapped(), X.unsqueeze(-2))
    assert torch.allclose(got, expected, rtol=1e-5)


def test_what_is_unrelated_teaches_nothing() -> None:
    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.exp(-torch.cdist(a, b).square())

    at = torch.zeros(1, 1, dtype=torch.float64)
    near_and_far = torch.tensor([[0.0], [100.0]], dtype=torch.float64)
    removed = variance_removed(kernel, near_and_far, torch.ones(2, dtype=torch.float64), at, 0.0)
    assert removed.tolist() == pytest.approx([1.0, 0.0])


def test_joint_scores_are_refused(measured) -> None:
    with pytest.raises(AssertionError, match="q"):
        NegIntegratedPosteriorVariance(AT, 1.0)(measured.belief, X[:4].reshape(2, 2, 2))
