from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesRegressor

from matscout.surrogate import forest as forest_module
from matscout.surrogate.forest import Forest
from matscout.surrogate.held_out import measurement_sd
from matscout.surrogate.leaves import Leaves
from matscout.surrogate.spread import calibrated

Tensor = torch.Tensor


def steps(n: int, noise: float = 0.2, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """X (n, 4), Y (n, 1) and the noise-free value (n,)."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4))
    f = np.sin(5 * X[:, 0]) + X[:, 1] ** 2 + (X[:, 2] > 0.6)
    Y = torch.from_numpy(f + noise * rng.standard_normal(n)).unsqueeze(-1)
    return torch.from_numpy(X), Y, torch.from_numpy(f)


def test_leaves_are_scikit_learns() -> None:
    X, Y, _ = steps(60)
    rows = X.numpy().astype(np.float32)
    model = ExtraTreesRegressor(20, min_samples_leaf=4, random_state=0).fit(rows, Y[:, 0].numpy())
    trees = [t.tree_ for t in model.estimators_]
    values = [t.value[:, 0, 0] for t in trees]
    leaves = Leaves.of(trees, values, [t.impurity for t in trees], np.zeros(20))
    at = steps(30, seed=1)[0].numpy().astype(np.float32)
    each = np.stack([tree.predict(at) for tree in model.estimators_])
    assert np.allclose(leaves.means(at), each)
    mean, variance = leaves.moments(at)
    assert np.allclose(mean, model.predict(at))
    leaf = trees[3].apply(rows) == trees[3].apply(at[:1])
    assert leaves.variances(at)[3, 0] == pytest.approx(float(Y[leaf, 0].numpy().var()))
    # Law of total variance: that of a row drawn from a leaf of a tree drawn.
    assert np.allclose(variance, each.var(0) + leaves.variances(at).mean(0))


@pytest.mark.parametrize("kind", ["extra_trees", "random_forest"])
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("n", [12, 60])
def test_its_intervals_hold(kind: str, noise: float, n: int) -> None:
    inside, measured = [], []
    for seed in range(3):
        X, Y, _ = steps(n, noise, seed)
        at, values, truth = steps(300, noise, 100 + seed)
        posterior = Forest(kind, trees=50).fit(X, Y)
        mean, sd = posterior.mean_sd(at)
        inside.append((mean - truth).abs() < 1.645 * sd)
        wide = measurement_sd(posterior, sd)
        measured.append((mean - values[:, 0]).abs() < 1.645 * wide)
    assert 0.83 < float(torch.cat(inside).double().mean()) <= 1.0
    assert 0.83 < float(torch.cat(measured).double().mean()) < 0.995


def test_what_was_held_out_had_not_been_seen() -> None:
    X, Y, _ = steps(30)
    wild = Y.clone()
    wild[7] += 1e3
    plain, spoilt = Forest().fit(X, Y).held_out, Forest().fit(X, wild).held_out
    assert plain is not None and spoilt is not None
    assert torch.equal(plain.y, Y[:, 0])
    # The row's own value has no part in what is said of it, but for the split of all others.
    scale = float(wild.std())
    assert abs(float(spoilt.mean[7]) - float(plain.mean[7])) < 0.02 * scale
    error = (plain.y - plain.mean) / plain.sd
    assert 0.6 < float(error.square().mean().sqrt()) < 1.4


def test_members_and_their_mean() -> None:
    X, Y, _ = steps(40)
    posterior = Forest(trees=24).fit(X, 1e9 * Y)
    at = steps(50, seed=1)[0]
    members = posterior.members(at)
    assert members.shape == (24, 50)
    assert torch.allclose(members.mean(0), posterior.mean_sd(at)[0])


def test_chunks_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y, _ = steps(20)
    posterior, at = Forest(trees=20).fit(X, Y), steps(100, seed=1)[0]
    whole = posterior.mean_sd(at)
    monkeypatch.setattr(forest_module, "PREDICTED_AT_ONCE", 7)
    assert all(torch.equal(a, b) for a, b in zip(posterior.mean_sd(at), whole, strict=True))


def test_replicates_that_disagree_widen_the_leaf() -> None:
    X = torch.linspace(0, 1, 6, dtype=torch.float64).repeat(4).unsqueeze(-1)
    rng = np.random.default_rng(0)
    tight, wide = (torch.from_numpy(s * rng.standard_normal((24, 1))) + X for s in (0.01, 1.0))
    narrow_sd = Forest(trees=20).fit(X, tight).mean_sd(X)[1] / tight.std()
    assert float((Forest(trees=20).fit(X, wide).mean_sd(X)[1] / wide.std()).mean()) > float(
        narrow_sd.mean()
    )


def test_huge_inputs_that_differ_little() -> None:
    X, Y, _ = steps(20)
    far = Forest(trees=20).fit(1e9 + X, Y)
    near = Forest(trees=20).fit(X, Y)
    at = steps(10, seed=1)[0]
    assert torch.allclose(far.mean_sd(1e9 + at)[0], near.mean_sd(at)[0], atol=0.2)
    assert torch.isfinite(near.mean_sd(torch.full((1, 4), 1e300, dtype=torch.float64))[0]).all()


def test_calibration_finds_what_made_the_residuals() -> None:
    rng = np.random.default_rng(0)
    u = rng.gamma(2.0, 0.05, size=4000)
    known = np.full(4000, np.nan)
    votes = np.full(4000, 10)
    true = 2.0 * u + 0.05 + u * (1 / 10 - 1 / 100)
    found = calibrated(np.sqrt(true) * rng.standard_normal(4000), u, votes, 100, known)
    assert found.factor == pytest.approx(2.0, rel=0.3)
    assert found.floor + found.noise == pytest.approx(0.05, rel=0.5)
    given = calibrated(
        np.sqrt(true + 0.3) * rng.standard_normal(4000), u, votes, 100, np.full(4000, 0.3)
    )
    assert given.noise == pytest.approx(0.3)
    assert given.floor == pytest.approx(0.05, abs=0.05)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="extra_trees"):
        Forest("oak")
    with pytest.raises(ValueError, match="trees"):
        Forest(trees=3)
