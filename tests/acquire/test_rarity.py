from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats

from matscout.acquire.rarity import RarityWeightedSd, rarity

Tensor = torch.Tensor


@dataclass(frozen=True)
class Believed:
    loc: float = 0.0
    scale: float = 1.0

    @property
    def standardised(self) -> Believed:
        return Believed()

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return self.loc + self.scale * X[..., 0], self.scale * X[..., 1]


MEASURED = tuple(np.random.default_rng(0).normal(size=60))


def test_rarity_is_one_far_from_what_was_measured_and_least_where_most_of_it_is() -> None:
    y = torch.tensor([50.0, float(np.median(MEASURED))], dtype=torch.float64)
    weight = rarity(y, MEASURED, strength=0.9)
    assert float(weight[0]) == pytest.approx(1.0) and float(weight[1]) < 0.2
    assert (rarity(torch.linspace(-9, 9, 99).double(), MEASURED) >= 0.01).all()
    assert torch.equal(rarity(y, MEASURED, strength=0.0), torch.ones(2, dtype=torch.float64))


def test_the_density_is_a_kernel_density() -> None:
    y = np.linspace(-2, 2, 7)
    width = 1.06 * np.std(MEASURED) * len(MEASURED) ** -0.2
    density = stats.norm.pdf(np.subtract.outer(y, MEASURED), 0, width).mean(-1)
    at_data = stats.norm.pdf(np.subtract.outer(MEASURED, MEASURED), 0, width).mean(-1)
    expected = np.maximum(1 - 0.8 * density / at_data.max(), 0.01)
    assert np.allclose(rarity(torch.from_numpy(y), MEASURED, 0.8), expected, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_card_follows_the_targets_unit(scale: float) -> None:
    X = torch.tensor([[[0.0, 1.0]], [[4.0, 1.0]], [[4.0, 2.0]]], dtype=torch.float64)
    plain = RarityWeightedSd(MEASURED)(Believed(), X)
    assert plain[0] < plain[1] and float(plain[2]) == pytest.approx(2 * float(plain[1]))
    scaled = RarityWeightedSd(tuple(5 * scale + scale * y for y in MEASURED))
    got = scaled(Believed(5 * scale, scale), X)
    assert torch.allclose(got, scale * plain, rtol=1e-6)


def test_one_value_or_equal_values_do_not_divide_by_zero() -> None:
    y = torch.tensor([0.0, 3.0], dtype=torch.float64)
    assert torch.isfinite(rarity(y, [3.0])).all()
    assert torch.isfinite(rarity(y, [3.0, 3.0])).all()
    with pytest.raises(ValueError, match="nothing"):
        rarity(y, [])


def test_the_warning_is_where_a_reader_meets_it() -> None:
    from matscout.acquire import rarity as module

    assert "worst model of all" in (module.__doc__ or "")
