"""Judging beliefs, conformal intervals on top, and the way into campaigns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from matscout.models.uncertainty.as_surrogate import AsSurrogate
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.judge import judge, judged
from matscout.models.uncertainty.quantile_forest import QuantileForest
from matscout.surrogate.conformal import Conformal, SplitConformal


class Line:
    """Ordinary least squares; both sds by the textbook."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Line:
        new = Line()
        new.phi = self._phi(X)
        new.weights = np.linalg.lstsq(new.phi, y, rcond=None)[0]
        new.noise = math.sqrt(np.square(y - new.phi @ new.weights).sum() / (len(y) - 2))
        return new

    def predict(self, X: np.ndarray) -> Belief:
        phi = self._phi(X)
        inverse = np.linalg.inv(self.phi.T @ self.phi)
        sd = self.noise * np.sqrt(np.einsum("bi,ij,bj->b", phi, inverse, phi))
        return Belief(phi @ self.weights, sd, np.full(len(phi), self.noise))

    def _phi(self, X: np.ndarray) -> np.ndarray:
        x = X if isinstance(X, np.ndarray) else X.X.double().numpy()
        return np.column_stack([x[:, 0], np.ones(len(x))])


def rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (n, 1))
    return X, 3.0 * X[:, 0] + 10.0 + 0.5 * rng.normal(size=n)


def test_the_truth_is_judged_well_and_a_liar_badly() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=4000) * 2.0
    zero, none = np.zeros(4000), np.full(4000, 1e-9)
    true = judged(Belief(zero, none, np.full(4000, 2.0)), y)
    sure = judged(Belief(zero, none, np.full(4000, 0.5)), y)
    shy = judged(Belief(zero, none, np.full(4000, 8.0)), y)
    assert true.nll < min(sure.nll, shy.nll) and true.crps < min(sure.crps, shy.crps)
    assert true.nll == pytest.approx(math.log(2.0) + 0.5 * math.log(2 * math.pi * math.e), abs=0.05)
    assert true.crps == pytest.approx(2.0 / math.sqrt(math.pi), rel=0.05)
    assert abs(true.coverage - 0.9) < 0.02 and sure.coverage < 0.5 and shy.coverage > 0.99
    assert true.area < 0.02 < min(sure.area, shy.area) and math.isnan(true.conformal)


def test_in_and_out_of_distribution() -> None:
    X, y = rows(200)
    order = np.argsort(X[:, 0])
    outside, rest = order[150:], np.random.default_rng(0).permutation(order[:150])
    found = judge(
        Line(), X, y, rest[:110], {"inside": rest[110:], "outside": outside}, conformal=True
    )
    assert found["inside"].n == 40 and found["outside"].n == 50
    assert found["outside"].epistemic > found["inside"].epistemic
    assert found["inside"].aleatoric == found["outside"].aleatoric == pytest.approx(0.5, rel=0.2)
    assert all(0.7 <= part.conformal <= 1.0 for part in found.values())
    assert math.isnan(judge(Line(), X, y, rest[:110], {"in": rest[110:]})["in"].conformal)
    with pytest.raises(ValueError, match="'in' shares rows"):
        judge(Line(), X, y, rest[:110], {"in": rest[100:]})


def test_conformal_intervals_stand_on_the_whole_sd() -> None:
    X, y = (torch.from_numpy(part) for part in rows(150))
    intervals = Conformal(AsSurrogate(Line(), noisy=True)).fit(X, y[:, None])
    assert isinstance(intervals, SplitConformal)
    new, truth = (torch.from_numpy(part) for part in rows(1000, seed=5))
    found = intervals.interval(new, 0.9)
    inside = ((found.low <= truth) & (truth <= found.high)).double().mean().item()
    assert found.exact and 0.82 < inside < 0.97


def test_a_model_as_a_surrogate() -> None:
    X, y = rows(60)
    data = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    line = Line().fit(X, y)
    plain = AsSurrogate(Line()).fit(*data)
    mean, sd = plain.mean_sd(data[0][:5])
    assert mean.numpy() == pytest.approx(line.predict(X[:5]).mean)
    assert sd.numpy() == pytest.approx(line.predict(X[:5]).epistemic)
    assert plain.scale * math.sqrt(plain.noise_here) == pytest.approx(line.noise)
    inside, _ = plain.standardised.mean_sd(data[0][:5])
    assert plain.loc + plain.scale * inside.numpy() == pytest.approx(mean.numpy())
    noisy = AsSurrogate(Line(), noisy=True).fit(*data)
    assert noisy.mean_sd(data[0][:5])[1].numpy() == pytest.approx(line.predict(X[:5]).sd)
    assert noisy.noise_here == 0.0
    far = torch.tensor([[3.0]], dtype=torch.float64)
    believed = plain.believe(far.repeat(3, 1))
    assert believed.mean_sd(far)[0].item() == pytest.approx(plain.mean_sd(far)[0].item())
    assert believed.mean_sd(far)[1].item() < plain.mean_sd(far)[1].item()
    assert believed.scale == plain.scale


def test_no_data_is_the_prior() -> None:
    empty = AsSurrogate(QuantileForest()).fit(torch.zeros(0, 2), torch.zeros(0, 1))
    mean, sd = empty.mean_sd(torch.zeros(3, 2))
    assert mean.tolist() == [0.0] * 3 and sd.tolist() == [1.0] * 3 and empty.noise_here == 0.0
