from __future__ import annotations

import pytest
import torch
from botorch.acquisition.multi_objective import logei
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

from matscout.acquire.joint import joint_draws
from matscout.acquire.pareto import LogNoisyHypervolumeImprovement, log_nehvi, reference_point

Tensor = torch.Tensor


def volume(Y: Tensor, reference: Tensor) -> float:
    return Hypervolume(reference).compute(Y[is_non_dominated(Y)])


def gain(observed: Tensor, candidate: Tensor, reference: Tensor) -> float:
    return volume(torch.cat([observed, candidate.unsqueeze(0)]), reference) - volume(
        observed, reference
    )


@pytest.mark.parametrize("targets", [2, 3])
def test_it_is_the_mean_volume_added_over_draws(targets: int) -> None:
    generator = torch.Generator().manual_seed(targets)
    observed = torch.rand(8, 6, targets, generator=generator, dtype=torch.float64)
    candidates = torch.rand(8, 5, targets, generator=generator, dtype=torch.float64) * 1.3
    reference = torch.full((targets,), 0.1, dtype=torch.float64)
    got = log_nehvi(observed, candidates, reference).exp()
    expected = [
        sum(gain(observed[s], candidates[s, c], reference) for s in range(8)) / 8 for c in range(5)
    ]
    assert got.tolist() == pytest.approx(expected, rel=2e-2, abs=1e-4)


def test_no_compiler_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("would compile")

    import torch.utils.cpp_extension as extension

    monkeypatch.setattr(extension, "load", lambda *_, **__: refuse())
    log_nehvi(torch.rand(2, 3, 2).double(), torch.rand(2, 4, 2).double(), torch.zeros(2).double())
    assert logei._C is None


def test_two_beliefs_against_plain_monte_carlo(measured) -> None:
    """The second target is the first one turned round: a front of trade-offs. Independent beliefs."""
    belief = measured.belief

    class Negated:
        loc, scale = -belief.loc, belief.scale

        @property
        def standardised(self):
            inside = belief.standardised

            class Inside(Negated):
                loc, scale = 0.0, 1.0

                def mean_sd(self, X):
                    mean, sd = inside.mean_sd(X)
                    return -mean, sd

                covariance = staticmethod(inside.covariance)

            return Inside()

    X = torch.rand(4, 2, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    reference = (belief.loc - 1.5 * belief.scale, -belief.loc - 1.5 * belief.scale)
    card = LogNoisyHypervolumeImprovement(measured.X, reference, draws=512)
    got = card([belief, Negated()], X.unsqueeze(-2)).exp()

    inside = belief.standardised
    both = torch.cat([measured.X, X])
    mean, covariance = inside.mean_sd(both)[0], inside.covariance(both, both)
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [
            joint_draws(
                sign * mean,
                covariance,
                torch.randn(1500, len(both), generator=generator, dtype=torch.float64),
            )
            for sign in (1.0, -1.0)
        ],
        dim=-1,
    )
    observed, candidates = draws.split([len(measured.X), len(X)], dim=1)
    expected = log_nehvi(observed, candidates, torch.full((2,), -1.5, dtype=torch.float64)).exp()
    assert torch.allclose(got, expected, rtol=0.2, atol=2e-3)
    assert torch.equal(card([belief, Negated()], X.unsqueeze(-2)).exp(), got)


def test_the_reference_lies_below_the_front() -> None:
    Y = torch.tensor([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    assert (reference_point(Y) < Y[:3].amin(0)).all()
    assert (reference_point(Y) > Y[3]).all()
