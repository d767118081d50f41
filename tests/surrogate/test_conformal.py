from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.stats import binom

from matscout.surrogate import conformal as conformal_module
from matscout.surrogate.conformal import (
    Conformal,
    CvPlus,
    JackknifePlus,
    SplitConformal,
)
from matscout.surrogate.conformal_quantile import lower_of_each, rank, upper, upper_of_each
from matscout.surrogate.forest import Forest
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.held_out import measurement_sd
from matscout.surrogate.loo import leave_one_out_at

Tensor = torch.Tensor


def spread(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise that grows from left to right: no Gaussian of one noise is right about it."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 2))
    y = np.sin(4 * X[:, 0]) + (0.05 + 0.5 * X[:, 1]) * rng.standard_t(4, n)
    return torch.from_numpy(X), torch.from_numpy(y).unsqueeze(-1)


@pytest.mark.parametrize("level", ["0.05", "0.5", "0.8", "0.9", "0.95", "0.975"])
def test_the_rank_is_that_of_exact_arithmetic(level: str) -> None:
    for n in range(1, 300):
        exact = max(1, math.ceil(Fraction(level) * (n + 1)))
        assert rank(n, float(level)) == exact


def test_quantiles_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 4, 9, 19, 40):
        values = rng.normal(size=(6, n))
        for level in (0.5, 0.8, 0.9):
            k = math.ceil(Fraction(str(level)) * (n + 1))
            low = math.floor((1 - Fraction(str(level))) * (n + 1))
            if k > n:
                assert upper(values[0], level) == math.inf and low == 0
                continue
            ordered = np.sort(values, axis=1)
            assert upper(values[0], level) == ordered[0, k - 1]
            assert np.array_equal(upper_of_each(values, level), ordered[:, k - 1])
            assert np.array_equal(lower_of_each(values, level), ordered[:, low - 1])


def test_jackknife_plus_is_equation_1_4() -> None:
    X, Y = spread(19)
    posterior = GaussianProcess().fit(X, Y)
    fitted = Conformal(GaussianProcess()).fit(X, Y)
    assert isinstance(fitted, JackknifePlus)
    at = spread(5, seed=1)[0]
    found = fitted.interval(at, 0.9)
    means, latent = leave_one_out_at(posterior, at)
    sds = measurement_sd(posterior, latent)
    for b in range(5):
        ends = sorted(float(means[b, i]) + fitted.scores[i] * float(sds[b, i]) for i in range(19))
        assert float(found.high[b]) == pytest.approx(ends[17])  # ⌈0.9 · 20⌉ = 18th smallest
        starts = sorted(float(means[b, i]) - fitted.scores[i] * float(sds[b, i]) for i in range(19))
        assert float(found.low[b]) == pytest.approx(starts[1])  # ⌊0.1 · 20⌋ = 2nd smallest
    assert found.exact


def test_each_size_has_its_method() -> None:
    X, Y = spread(120)
    assert isinstance(Conformal(GaussianProcess()).fit(X[:99], Y[:99]), JackknifePlus)
    assert isinstance(Conformal(GaussianProcess()).fit(X, Y), SplitConformal)
    cv = Conformal(Forest(trees=10)).fit(X[:25], Y[:25])
    assert isinstance(cv, CvPlus) and len(cv.parts) == 10 and np.isfinite(cv.scores).all()


@pytest.mark.parametrize("n", [30, 120])
@pytest.mark.parametrize("kind", ["gp", "forest"])
def test_coverage(kind: str, n: int) -> None:
    """Over draws of the data, the share of new measurements within lies where 0.9 says."""
    surrogate = GaussianProcess(groups=[0, 0]) if kind == "gp" else Forest(trees=10)
    draws, each = (8 if kind == "gp" else 4), 150
    hits = 0
    for seed in range(draws):
        X, Y = spread(n, seed)
        at, values = spread(each, 1000 + seed)
        found = Conformal(surrogate).fit(X, Y).interval(at, 0.9)
        assert found.exact and torch.isfinite(found.high - found.low).all()
        hits += int(((values[:, 0] >= found.low) & (values[:, 0] <= found.high)).sum())
    # Within one draw coverage is Beta, of sd sqrt(0.9 · 0.1 / m): so few rows are what varies.
    rows = draws * (n if n < 100 else n // 5)
    low, high = binom.ppf([0.0005, 0.9995], rows, 0.9) / rows
    assert low - 0.02 < hits / (draws * each) < high + 0.02


def test_intervals_are_wide_where_the_model_is_unsure() -> None:
    X, Y = spread(40)
    fitted = Conformal(GaussianProcess()).fit(0.3 * X, Y)
    at = torch.tensor([[0.15, 0.15], [0.95, 0.95]]).double()
    found = fitted.interval(at)
    width = found.high - found.low
    assert float(width[1]) > 1.3 * float(width[0])


@pytest.mark.parametrize("n", [0, 1, 2, 5, 8])
def test_too_few_rows_for_the_level(n: int) -> None:
    X, Y = spread(n)
    at = spread(6, 1)[0]
    for surrogate in (GaussianProcess(), Forest(trees=10)):
        found = Conformal(surrogate).fit(X, Y).interval(at, 0.9)
        assert not found.exact
        assert torch.isfinite(found.low).all() and (found.high > found.low).all()
        posterior = surrogate.fit(X, Y)
        mean, sd = posterior.mean_sd(at)
        half = 1.6448536 * measurement_sd(posterior, sd)
        assert (found.high - mean >= half - 1e-6 * half).all()  # inflated, never deflated


def test_units_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = spread(30)
    at = spread(40, 1)[0]
    for surrogate in (GaussianProcess(), Forest(trees=10)):
        one = Conformal(surrogate).fit(X, Y).interval(at)
        other = Conformal(surrogate).fit(X, 1e-6 * Y).interval(at)
        assert torch.allclose(1e6 * other.high, one.high, rtol=1e-3, atol=1e-3)
        with monkeypatch.context() as patch:
            patch.setattr(conformal_module, "_ENTRIES", 70)
            again = Conformal(surrogate).fit(X, Y).interval(at)
        assert torch.allclose(again.low, one.low) and torch.allclose(again.high, one.high)


def test_higher_levels_are_wider() -> None:
    X, Y = spread(50)
    fitted = Conformal(GaussianProcess()).fit(X, Y)
    narrow, wide = (fitted.interval(X, level) for level in (0.5, 0.9))
    assert (wide.high >= narrow.high).all() and (wide.low <= narrow.low).all()
    with pytest.raises(ValueError, match="level"):
        fitted.interval(X, 1.0)
