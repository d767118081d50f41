from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import yeojohnson

from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.input_warp import WarpedBox, bent, columns_of_numbers
from matscout.surrogate.loo import leave_one_out
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.warp import WarpedGP
from matscout.surrogate.warped import WarpedPosterior
from matscout.surrogate.warps import LogWarp, OutputWarp, YeoJohnsonWarp

Tensor = torch.Tensor

BENT = WarpedGP(outputs=(), inputs=True)

WARPS: list[OutputWarp] = [
    LogWarp(3.0, 1.0),
    LogWarp(-3.0, -1.0),
    *(YeoJohnsonWarp(power) for power in (0.0, 0.3, 1.0, 1.7, 2.0)),
]


def smooth(n: int, seed: int = 0) -> tuple[Tensor, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    X = rng.random((n, 3))
    return torch.from_numpy(X), np.sin(4 * X[:, 0]) + X[:, 1] ** 2, rng


def column(y: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(y, dtype=float)).unsqueeze(-1)


@pytest.mark.parametrize("warp", WARPS, ids=str)
def test_inverse_and_slope(warp: OutputWarp) -> None:
    s = torch.linspace(-2.5, 2.5, 21, dtype=torch.float64).requires_grad_(True)
    z = warp(s)
    assert torch.allclose(warp.inverse(z), s, atol=1e-10)
    (slope,) = torch.autograd.grad(z.sum(), s)
    assert (slope > 0).all()
    assert torch.allclose(warp.log_slope(s), slope.log(), atol=1e-10)


@pytest.mark.parametrize("power", [0.0, 0.4, 1.3, 2.0])
def test_yeo_johnson_is_scipys(power: float) -> None:
    s = np.linspace(-3, 3, 13)
    ours = YeoJohnsonWarp(power)(torch.from_numpy(s)).numpy()
    assert np.allclose(ours, yeojohnson(s, lmbda=power))


def test_the_held_out_density_is_one_over_y() -> None:
    """With its Jacobian it integrates to 1 over y, whatever the unit."""
    X, f, _ = smooth(12)
    Y = column(1e3 * np.exp(2 * f))
    warp = WarpedGP(outputs=("log",))
    found = warp.fit(X, Y)
    assert isinstance(found, WarpedPosterior) and found.held_out is not None
    left = leave_one_out(found.inner)
    grid = torch.logspace(-3, 9, 60_001, dtype=torch.float64)
    s = found.units(grid)
    z = (found.warp(s) - left.mean[4]) / left.sd[4]
    density = (
        (-0.5 * z.square() - 0.5 * math.log(2 * math.pi)).exp()
        / left.sd[4]
        * found.warp.log_slope(s).exp()
        / found.scale
    )
    assert float(torch.trapezoid(density, grid)) == pytest.approx(1.0, abs=1e-3)
    at = int((grid - Y[4, 0]).abs().argmin())
    assert float(found.held_out.log_density[4]) == pytest.approx(float(density[at].log()), abs=0.05)


def test_moments_are_those_of_the_back_transform() -> None:
    X, f, _ = smooth(20)
    posterior = WarpedGP(outputs=("log",)).fit(X, column(np.exp(2 * f)))
    assert isinstance(posterior, WarpedPosterior)
    at = smooth(6, seed=1)[0]
    mean, sd = posterior.mean_sd(at)
    m, s = posterior.inner.mean_sd(at)
    draws = np.random.default_rng(0).standard_normal((400_000, 1)) * s.numpy() + m.numpy()
    z = torch.from_numpy(draws).clamp(posterior.low, posterior.high)
    y = posterior.loc + posterior.scale * posterior.warp.inverse(z)
    assert torch.allclose(mean, y.mean(0), rtol=0.02)
    assert torch.allclose(sd, y.std(0), rtol=0.05)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_lognormal_target_is_logged(sign: float) -> None:
    X, f, rng = smooth(30 + 200)
    Y = column(sign * np.exp(3 * f + 0.2 * rng.standard_normal(230)))
    posterior = WarpedGP().fit(X[:30], Y[:30])
    assert isinstance(posterior, WarpedPosterior) and posterior.warp.name == "log"
    plain = GaussianProcess().fit(X[:30], Y[:30])
    errors = [float((p.mean_sd(X[30:])[0] - Y[30:, 0]).square().mean()) for p in (posterior, plain)]
    assert errors[0] < errors[1]
    # Of a positive target, nearly nothing is held for possible below zero.
    mean, sd = posterior.mean_sd(X[30:])
    assert (sign * mean > 0).all() and (sd > 0).all()


def test_a_skewed_target_with_no_zero_is_warped_too() -> None:
    X, f, rng = smooth(30)
    Y = column(-7 + np.exp(3 * f + 0.2 * rng.standard_normal(30)))
    posterior = WarpedGP().fit(X, Y)
    assert isinstance(posterior, WarpedPosterior) and posterior.warp.name == "yeo_johnson"


def test_nothing_is_warped_without_need() -> None:
    X, f, rng = smooth(40)
    Y = column(f + 0.1 * rng.standard_normal(40))
    posterior = WarpedGP(outputs=("log", "yeo_johnson"), inputs=True).fit(X, Y)
    plain = GaussianProcess().fit(X, Y)
    assert isinstance(posterior, GpPosterior)
    assert torch.equal(posterior.mean_sd(X)[0], plain.mean_sd(X)[0])
    few = WarpedGP().fit(X[:6], column(np.exp(5 * f[:6])))
    assert isinstance(few, GpPosterior)


def test_an_input_that_changes_at_one_end_is_bent() -> None:
    def truth(X: np.ndarray) -> np.ndarray:
        return np.sin(8 * X[:, 0] ** 5) + 0.3 * X[:, 1]

    ratios, bends = [], 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, at = rng.random((15, 2)), rng.random((300, 2))
        Y = column(truth(X) + 0.05 * rng.standard_normal(15))
        fits = [s.fit(torch.from_numpy(X), Y) for s in (BENT, GaussianProcess())]
        bends += isinstance(fits[0].box, WarpedBox)  # type: ignore[union-attr]
        said = [fit.mean_sd(torch.from_numpy(at))[0].numpy() for fit in fits]
        ours, theirs = (np.square(mean - truth(at)).mean() for mean in said)
        ratios.append(ours / theirs)
    assert bends >= 2
    assert math.exp(np.log(ratios).mean()) < 0.8
    believed, at_one = fits[0].believe(torch.from_numpy(at[:1])), torch.from_numpy(at[:1])
    assert float(believed.mean_sd(at_one)[1]) < float(fits[0].mean_sd(at_one)[1])


def test_the_bend_is_kumaraswamys() -> None:
    X = torch.tensor([[0.0, 0.3, 0.5], [1.0, 0.9, 0.5]], dtype=torch.float64)
    log_ab = torch.tensor([[math.log(2.0)], [math.log(3.0)]], dtype=torch.float64)
    out = bent(X, torch.tensor([1]), log_ab)
    assert out[:, 1].tolist() == pytest.approx([1 - (1 - x**2) ** 3 for x in (0.3, 0.9)])
    assert torch.equal(out[:, [0, 2]], X[:, [0, 2]])
    assert torch.isfinite(bent(X, torch.tensor([0]), log_ab)).all()


def test_categories_are_not_bent() -> None:
    X = smooth(9)[0]
    X = torch.cat([X, (X[:, :1] > 0.5).double()], dim=1)
    assert columns_of_numbers([0, 1, 1, 2], X).tolist() == [0]


def test_standard_errors_go_through_the_warp() -> None:
    X, f, _ = smooth(20)
    Y = column(np.exp(3 * f))
    Yvar = (0.1 * Y).square()  # ten per cent of each value: the same everywhere in logs
    posterior = WarpedGP(outputs=("log",)).fit(X, Y, Yvar)
    assert isinstance(posterior, WarpedPosterior)
    noise = posterior.inner.noise * posterior.inner.scale**2
    assert torch.allclose(noise, torch.full_like(noise, 0.01), rtol=1e-6)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="boxcox"):
        WarpedGP(outputs=("boxcox",))
