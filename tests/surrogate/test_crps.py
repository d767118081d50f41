"""The CRPS against its definition, and what it makes of rows that nobody held out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from matscout.surrogate.crps import crps
from matscout.surrogate.ensemble import DeepEnsemble
from matscout.surrogate.held_out import HeldOut
from matscout.surrogate.member import MlpMember


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(("y", "mean", "sd"), [(0.3, 0.0, 1.0), (-2.0, 1.5, 0.5), (4.0, 4.0, 3.0)])
def test_it_is_the_integral_of_the_squared_difference(y: float, mean: float, sd: float) -> None:
    at = np.linspace(mean - 12 * sd - 6, mean + 12 * sd + 6, 400_001)
    brute = np.trapezoid((norm.cdf(at, mean, sd) - (at >= y)) ** 2, at)
    said = crps(HeldOut.normal(tensor(y), tensor(mean), tensor(sd)))
    assert float(said) == pytest.approx(brute, rel=1e-4)


def test_without_uncertainty_it_is_the_absolute_error() -> None:
    held = HeldOut.normal(tensor(1.0, -3.0), tensor(0.0, 2.0), tensor(1e-9, 1e-9))
    assert crps(held).tolist() == pytest.approx([1.0, 5.0])


def test_an_ensemble_keeps_what_was_said_of_the_rows_that_were_left_out() -> None:
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.random((40, 2)))
    Y = X.sum(1, keepdim=True)
    posterior = DeepEnsemble(5, MlpMember(epochs=2), seed=1).fit(X, Y)
    assert posterior.held_out is None and posterior.left_out is not None
    # Rows of the caller's that fewer than two members had not seen.
    order = np.lexsort([Y[:, 0].numpy(), *X.numpy().T[::-1]])
    unseen = np.array([[i not in rows for i in range(40)] for rows in posterior.seen]).sum(0) >= 2
    judged = np.zeros(40, dtype=bool)
    judged[order] = unseen
    assert 8 <= judged.sum() < 40
    assert crps(posterior.left_out).isfinite().numpy().tolist() == judged.tolist()
