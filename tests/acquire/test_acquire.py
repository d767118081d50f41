from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from matscout.acquire.base import Acquisition
from matscout.acquire.confidence_bound import ConfidenceBound
from matscout.acquire.log_ei import LogExpectedImprovement
from matscout.acquire.sd import StandardDeviation

Tensor = torch.Tensor


@dataclass(frozen=True)
class Believed:
    """A belief whose mean is the first column of X and whose sd is the second."""

    loc: float = 0.0
    scale: float = 1.0

    @property
    def standardised(self) -> Believed:
        return Believed()

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return self.loc + self.scale * X[..., 0], self.scale * X[..., 1]


POINTS = torch.tensor(
    [[0.0, 1.0], [1.0, 0.5], [-3.0, 0.2], [2.5, 1e-3], [-30.0, 1.0]], dtype=torch.float64
).unsqueeze(-2)  # (b, q=1, d)

CARDS: list[Acquisition] = [
    ConfidenceBound(0.0),
    ConfidenceBound(2.0),
    LogExpectedImprovement(0.7),
    StandardDeviation(),
]


def test_the_confidence_bound_is_mean_plus_beta_sd() -> None:
    score = ConfidenceBound(1.5)(Believed(), POINTS)
    assert score.tolist() == pytest.approx([1.5, 1.75, -2.7, 2.5015, -28.5])


def test_the_sd_is_the_sd() -> None:
    assert StandardDeviation()(Believed(), POINTS).tolist() == pytest.approx(
        [1.0, 0.5, 0.2, 1e-3, 1.0]
    )


@pytest.mark.parametrize("sd", [1e-2, 1e-4, 1e-6])
def test_numbers_that_single_precision_does_not_hold(sd: float) -> None:
    """At the best, E[max(f - best, 0)] is sd / sqrt(2 pi); 1/3 in single precision is 1e-8 off."""
    at = torch.tensor([[[1 / 3, sd]]], dtype=torch.float64)
    expected = math.log(sd / math.sqrt(2 * math.pi))
    assert float(LogExpectedImprovement(1 / 3)(Believed(), at)) == pytest.approx(expected, abs=1e-9)
    bound = float(ConfidenceBound(1 / 3)(Believed(), at))
    assert bound == pytest.approx(1 / 3 + sd / 3, rel=1e-15)


@pytest.mark.parametrize("best", [-1.0, 0.0, 0.7, 3.0])
def test_expected_improvement_by_brute_force(best: float) -> None:
    got = LogExpectedImprovement(best)(Believed(), POINTS[:2]).exp().tolist()
    for value, (mean, sd) in zip(got, POINTS[:2, 0].tolist(), strict=True):
        expected, _ = integrate.quad(
            lambda y, m=mean, s=sd: (y - best) * stats.norm(m, s).pdf(y), best, mean + 12 * sd
        )
        assert value == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_expected_improvement_in_closed_form_and_where_it_underflows() -> None:
    def log_ei(z: float) -> float:  # log(phi(z) + z Phi(z)), asymptotically for large -z
        if z > -10:
            return math.log(stats.norm.pdf(z) + z * stats.norm.cdf(z))
        return -0.5 * z * z - 0.5 * math.log(2 * math.pi) - 2 * math.log(-z) - 3 / z**2

    for z in (-1000.0, -40.0, -5.0, 0.0, 3.0):
        point = torch.tensor([[[z * 0.5, 0.5]]], dtype=torch.float64)
        got = float(LogExpectedImprovement(0.0)(Believed(), point))
        assert got == pytest.approx(math.log(0.5) + log_ei(z), rel=1e-5)


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_more_is_better_and_certainty_never_scores_more(card: Acquisition) -> None:
    mean = torch.linspace(-2, 2, 9, dtype=torch.float64)
    for sd in (0.1, 1.0):
        row = torch.stack([mean, torch.full_like(mean, sd)], dim=-1).unsqueeze(-2)
        assert (card(Believed(), row).diff() >= -1e-12).all()
    assert card.falls_with_sd
    sds = torch.linspace(0.01, 2, 9, dtype=torch.float64)
    column = torch.stack([torch.full_like(sds, 0.3), sds], dim=-1).unsqueeze(-2)
    assert (card(Believed(), column).diff() >= -1e-12).all()


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_scores_are_in_the_units_of_the_target(scale: float) -> None:
    """Also where sd² lies below the 1e-12 at which BoTorch cuts variances."""
    loc = 5.0 * scale
    belief = Believed(loc, scale)
    mean, sd = belief.mean_sd(POINTS[:3, 0])
    bound = ConfidenceBound(2.0)(belief, POINTS[:3])
    assert torch.allclose(bound, mean + 2 * sd, rtol=1e-9)
    assert torch.allclose(StandardDeviation()(belief, POINTS[:3]), sd, rtol=1e-9)
    plain = LogExpectedImprovement(0.7)(Believed(), POINTS)
    got = LogExpectedImprovement(loc + 0.7 * scale)(belief, POINTS)
    assert torch.allclose(got, plain + math.log(scale), rtol=1e-6)


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_gradients_and_shapes(card: Acquisition) -> None:
    X = POINTS[:4].clone().requires_grad_()
    score = card(Believed(), X)
    assert score.shape == (4,) and score.dtype == torch.float64
    (gradient,) = torch.autograd.grad(score.sum(), X)
    step = 1e-6
    for column in range(2):
        moved = POINTS[:4].clone()
        moved[..., column] += step
        slope = (card(Believed(), moved) - score.detach()) / step
        assert np.allclose(gradient[:, 0, column], slope, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_joint_scores_are_refused(card: Acquisition) -> None:
    with pytest.raises(AssertionError, match="q"):
        card(Believed(), torch.zeros(2, 3, 2, dtype=torch.float64))
