from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.held_out import by_refits, held_out
from matscout.surrogate.loo import leave_one_out, leave_one_out_at
from matscout.surrogate.posterior import GpPosterior

Tensor = torch.Tensor


def fitted(n: int = 12, seed: int = 0) -> tuple[GpPosterior, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    X = torch.from_numpy(rng.random((n, 2)))
    Y = (torch.sin(4 * X[:, :1]) + X[:, 1:]) * 1e3 + 50 * torch.from_numpy(
        rng.standard_normal((n, 1))
    )
    Yvar = torch.from_numpy(rng.random((n, 1)) * 1e4)
    return GaussianProcess().fit(X, Y, Yvar), X, Y


def without(posterior: GpPosterior, i: int) -> GpPosterior:
    """By brute force: the same hyperparameters, the row deleted."""
    keep = torch.arange(len(posterior.y)) != i
    return replace(posterior, X=posterior.X[keep], y=posterior.y[keep], noise=posterior.noise[keep])


def test_the_closed_form_is_deletion() -> None:
    posterior, X, _ = fitted()
    left = leave_one_out(posterior)
    for i in range(12):
        mean, sd = without(posterior, i).mean_sd(X[i : i + 1])
        noise = posterior.scale**2 * float(posterior.noise[i])
        assert float(left.mean[i]) == pytest.approx(float(mean), rel=1e-6)
        assert float(left.latent_sd[i]) == pytest.approx(float(sd), rel=1e-6)
        assert float(left.sd[i]) ** 2 == pytest.approx(float(sd) ** 2 + noise, rel=1e-6)


def test_everywhere_else_too() -> None:
    posterior, _, _ = fitted()
    at = fitted(7, seed=1)[1]
    means, sds = leave_one_out_at(posterior, at)
    assert means.shape == sds.shape == (7, 12)
    for i in range(12):
        mean, sd = without(posterior, i).mean_sd(at)
        assert torch.allclose(means[:, i], mean, rtol=1e-6)
        assert torch.allclose(sds[:, i], sd, rtol=1e-6)


def test_no_rows() -> None:
    empty = torch.zeros(0, 2).double()
    left = leave_one_out(GaussianProcess().fit(empty, empty[:, :1]))
    assert left.mean.shape == left.sd.shape == (0,)


def test_refits_are_near_the_closed_form() -> None:
    _, X, Y = fitted(30)
    surrogate = GaussianProcess()
    quick = held_out(surrogate, surrogate.fit(X, Y), X, Y)
    slow = by_refits(surrogate, X, Y)
    assert torch.equal(quick.y, slow.y)
    assert float((quick.mean - slow.mean).abs().mean()) < 0.5 * float(quick.sd.mean())
    assert float(quick.log_density.mean()) == pytest.approx(float(slow.log_density.mean()), abs=0.6)
