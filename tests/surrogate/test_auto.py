from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from matscout.surrogate.auto import Auto
from matscout.surrogate.base import FitFailed
from matscout.surrogate.forest import Forest
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.mixture import MixturePosterior
from matscout.surrogate.stacking import stacking_weights

Tensor = torch.Tensor


class Fails:
    def fit(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> MixturePosterior:
        raise FitFailed("no such luck")


def objective(weights: np.ndarray, log_density: np.ndarray, pull: float) -> float:
    mixed = np.log(np.exp(log_density) @ weights).sum()
    return float(mixed + pull * np.log(weights).sum())


@pytest.mark.parametrize("pull", [0.01, 1.0, 5.0])
def test_weights_are_the_best_on_the_simplex(pull: float) -> None:
    rng = np.random.default_rng(0)
    density = rng.normal(size=(15, 3)) + np.array([0.0, 0.5, -1.0])
    found = stacking_weights(density, pull)
    assert found.sum() == pytest.approx(1.0) and (found > 0).all()
    best = objective(found, density, pull)
    grid = np.linspace(0.005, 0.99, 60)
    for a, b in itertools.product(grid, grid):
        if a + b < 0.999:
            assert objective(np.array([a, b, 1 - a - b]), density, pull) <= best + 1e-6


def test_few_rows_pull_toward_equal_weights() -> None:
    better = np.array([[0.0, -1.0]])
    few, many = (stacking_weights(np.repeat(better, n, axis=0)) for n in (2, 200))
    assert 0.5 < few[0] < 0.7 < 0.95 < many[0]
    assert stacking_weights(np.zeros((0, 2))).tolist() == [0.5, 0.5]
    assert stacking_weights(np.array([[-1e4, -2e4], [-3e4, -2e4]])).tolist() == [0.5, 0.5]


def test_moments_are_those_of_the_mixture() -> None:
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.random((12, 2)))
    Y = 1e6 * X.sum(1, keepdim=True)
    parts = {"gp": GaussianProcess().fit(X, Y), "forest": Forest(trees=20).fit(X, Y)}
    data = parts["gp"].units
    mix = MixturePosterior.of(parts, {"gp": 3.0, "forest": 1.0}, data)
    assert mix.weights == {"gp": 0.75, "forest": 0.25}
    at = torch.from_numpy(rng.random((5, 2)))
    (m1, s1), (m2, s2) = (part.mean_sd(at) for part in parts.values())
    mean, sd = mix.mean_sd(at)
    assert torch.allclose(mean, 0.75 * m1 + 0.25 * m2)
    second = 0.75 * (s1**2 + m1**2) + 0.25 * (s2**2 + m2**2)
    assert torch.allclose(sd**2, second - mean**2, rtol=1e-6)
    assert mix.members(at).shape == (2, 5)


def test_the_right_surrogate_is_found() -> None:
    rng = np.random.default_rng(1)
    X = rng.random((60, 3))
    smooth = np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2]
    jumps = (X[:, 0] > 0.5) + 2.0 * (X[:, 1] > 0.3) * (X[:, 2] > 0.6)
    auto = Auto({"gp": GaussianProcess(), "forest": Forest()})
    tensors = [torch.from_numpy(v) for v in (X, smooth[:, None], jumps[:, None])]
    for_smooth, for_jumps = auto.fit(tensors[0], tensors[1]), auto.fit(tensors[0], tensors[2])
    assert for_smooth.weights["gp"] > 0.8
    assert for_jumps.weights["forest"] > 0.5


def test_what_cannot_be_fitted_is_left_out() -> None:
    X = torch.rand(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = Auto({"gp": GaussianProcess(), "none": Fails()}).fit(X, X[:, :1])
    assert found.weights == {"gp": 1.0}
    with pytest.raises(FitFailed, match="no such luck"):
        Auto({"none": Fails()}).fit(X, X[:, :1])
    with pytest.raises(ValueError, match="no surrogate"):
        Auto({})


def test_refits_can_be_asked_for() -> None:
    rng = np.random.default_rng(1)
    X = torch.from_numpy(rng.random((12, 2)))
    both = {"a": GaussianProcess(), "b": GaussianProcess(groups=[0, 0])}
    weights = Auto(both, refits=True).fit(X, torch.sin(6 * X[:, :1])).weights
    assert weights["a"] > weights["b"] > 0
