"""The exam that every surrogate sits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from matscout.models.hyperparameters import MlpSettings
from matscout.surrogate.auto import Auto
from matscout.surrogate.base import Surrogate
from matscout.surrogate.ensemble import DeepEnsemble
from matscout.surrogate.forest import Forest
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.held_out import measurement_sd
from matscout.surrogate.member import MlpMember
from matscout.surrogate.warp import WarpedGP

Tensor = torch.Tensor

SMALL = MlpMember(epochs=60, network=MlpSettings(hidden_features=16))


def ensemble() -> Surrogate:
    return DeepEnsemble(members=4, trainer=SMALL)


def auto() -> Surrogate:
    return Auto({"gp": GaussianProcess(), "forest": Forest(trees=20)})


SURROGATES: dict[str, Callable[[], Surrogate]] = {
    "gp": GaussianProcess,
    "warped_gp": lambda: WarpedGP(outputs=("yeo_johnson",), inputs=True),
    "warped_gp_log": WarpedGP,
    "extra_trees": lambda: Forest(trees=30),
    "random_forest": lambda: Forest("random_forest", trees=30),
    "auto": auto,
    "ensemble": ensemble,
}
EACH = pytest.mark.parametrize("make", SURROGATES.values(), ids=SURROGATES.keys())
AFFINE = [name for name in SURROGATES if name != "warped_gp_log"]  # a log has a true zero


def data(n: int, d: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """X (n, d) in the unit cube and Y (n, 1)."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, d))
    y = np.sin(4 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(n)
    return torch.from_numpy(X), torch.from_numpy(y).unsqueeze(-1)


def check(posterior: object, X: Tensor) -> tuple[Tensor, Tensor]:
    mean, sd = posterior.mean_sd(X)  # type: ignore[attr-defined]
    assert mean.shape == sd.shape == X.shape[:-1]
    assert mean.dtype == sd.dtype == torch.float64
    assert torch.isfinite(mean).all() and torch.isfinite(sd).all() and (sd > 0).all()
    return mean, sd


@EACH
@pytest.mark.parametrize("n", [0, 1, 2, 3, 14])
def test_shapes_and_finite_numbers_however_few(make: Callable[[], Surrogate], n: int) -> None:
    X, Y = data(n)
    posterior = make().fit(X, Y)
    at = data(6, seed=1)[0]
    mean, sd = check(posterior, at)
    both, _ = check(posterior, at.reshape(2, 3, 3))
    assert torch.allclose(both.reshape(-1), mean)
    inside, inside_sd = posterior.standardised.mean_sd(at)
    assert posterior.standardised.loc == 0.0 and posterior.standardised.scale == 1.0
    assert torch.allclose(posterior.loc + posterior.scale * inside, mean, atol=1e-9)
    assert torch.allclose(posterior.scale * inside_sd, sd, atol=1e-9)
    check(posterior.believe(at[:2]), at)
    assert (measurement_sd(posterior, sd) >= sd).all()


@EACH
def test_duplicates_and_a_constant_target(make: Callable[[], Surrogate]) -> None:
    X, Y = data(6)
    check(make().fit(torch.cat([X, X, X]), torch.cat([Y, Y + 0.1, Y - 0.1])), X)
    mean, _ = check(make().fit(X, torch.full_like(Y, -7.5)), X)
    assert mean.tolist() == pytest.approx([-7.5] * 6, rel=0.05)
    same = torch.full_like(X, 0.3)
    check(make().fit(same, Y), X)


@EACH
def test_far_away_it_is_bounded(make: Callable[[], Surrogate]) -> None:
    X, Y = data(14)
    mean, sd = check(make().fit(X, Y), torch.full((1, 3), 1e6, dtype=torch.float64))
    assert abs(float(mean)) < 30 * float(Y.std()) and float(sd) < 30 * float(Y.std())


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize(("factor", "shift"), [(1e-9, 3e-9), (1e12, -5e12), (-2.0, 1.0)])
def test_units_and_sign_of_the_target(name: str, factor: float, shift: float) -> None:
    X, Y = data(12)
    at = data(8, seed=1)[0]
    mean, sd = SURROGATES[name]().fit(X, Y).mean_sd(at)
    scaled, scaled_sd = SURROGATES[name]().fit(X, factor * Y + shift).mean_sd(at)
    # A network's start has a sign; a forest's and a process's mathematics do not.
    if name == "ensemble" and factor < 0:
        return
    assert torch.allclose((scaled - shift) / factor, mean, rtol=1e-2, atol=1e-2)
    assert torch.allclose(scaled_sd / abs(factor), sd, rtol=2e-2)


@EACH
def test_the_order_of_rows_is_of_no_consequence(make: Callable[[], Surrogate]) -> None:
    X, Y = data(12)
    order = torch.from_numpy(np.random.default_rng(5).permutation(12))
    at = data(8, seed=1)[0]
    first, second = make().fit(X, Y).mean_sd(at), make().fit(X[order], Y[order]).mean_sd(at)
    for a, b in zip(first, second, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3)


@EACH
def test_the_same_data_give_the_same_numbers(make: Callable[[], Surrogate]) -> None:
    X, Y = data(12)
    at = data(8, seed=1)[0]
    torch.manual_seed(1)
    first = make().fit(X, Y).believe(at[:1]).mean_sd(at)
    torch.manual_seed(2)
    np.random.seed(3)
    second = make().fit(X, Y).believe(at[:1]).mean_sd(at)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@EACH
def test_believing_shrinks_the_sd_there_and_leaves_the_mean(make: Callable[[], Surrogate]) -> None:
    X, Y = data(20)
    posterior = make().fit(X, Y)
    at = data(40, seed=1)[0]
    mean, sd = posterior.mean_sd(at)
    row = int(sd.argmax())
    pending = at[row : row + 1]
    believed = posterior.believe(pending)
    after, after_sd = check(believed, at)
    assert float(after_sd[row]) < float(sd[row])
    assert abs(float(after[row] - mean[row])) < 0.5 * float(sd[row])
    assert float((after - mean).abs().mean()) < 0.15 * float(Y.std())
    twice = believed.believe(at[:3])
    check(twice, at)
    assert posterior.believe(at[:0]) is posterior


@EACH
def test_standard_errors_are_taken(make: Callable[[], Surrogate]) -> None:
    X, Y = data(14)
    some = torch.full_like(Y, 0.01)
    some[3] = torch.nan
    for Yvar in (torch.full_like(Y, 0.01), some, torch.full_like(Y, torch.nan)):
        check(make().fit(X, Y, Yvar), X)


@EACH
def test_it_has_learnt_something(make: Callable[[], Surrogate]) -> None:
    X, Y = data(40)
    at, truth = data(200, seed=1)
    mean, sd = make().fit(X, Y).mean_sd(at)
    error = mean - truth[:, 0]
    assert float(error.square().mean().sqrt()) < 0.8 * float(truth.std())
    assert float((error.abs() < 3 * sd).double().mean()) > 0.7


@EACH
def test_mistakes_of_the_caller(make: Callable[[], Surrogate]) -> None:
    X, Y = data(5)
    with pytest.raises(ValueError, match="one target"):
        make().fit(X, torch.cat([Y, Y], dim=1))
    with pytest.raises(ValueError, match="finite"):
        make().fit(X, Y * torch.nan)
