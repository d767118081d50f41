"""Cards about a threshold: beyond it, on its border, and the unknown one of the top k."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats

from matscout.acquire.base import Acquisition
from matscout.acquire.joint import joint_draws, standard_normals
from matscout.acquire.probability_beyond import LogProbabilityBeyond
from matscout.acquire.probability_top import LogProbabilityTop, kth_best, top_share
from matscout.acquire.straddle import Straddle
from matscout.acquire.thompson import one_per_draw, win_share

Tensor = torch.Tensor


@dataclass(frozen=True)
class Believed:
    """A belief whose mean is the first column of X and whose sd is the second."""

    loc: float = 0.0
    scale: float = 1.0

    @property
    def standardised(self) -> Believed:
        return Believed()

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return self.loc + self.scale * X[..., 0], self.scale * X[..., 1]


POINTS = torch.tensor(
    [[0.0, 1.0], [1.0, 0.5], [-3.0, 0.2], [2.5, 1e-3], [-30.0, 1.0]], dtype=torch.float64
).unsqueeze(-2)
CARDS: list[Acquisition] = [
    LogProbabilityBeyond(0.4),
    Straddle(0.4),
    LogProbabilityTop((0.4, 0.9)),
]


def test_the_probability_beyond_is_a_normal_tail_and_ranks_where_it_underflows() -> None:
    score = LogProbabilityBeyond(0.4)(Believed(), POINTS)
    for value, (mean, sd) in zip(score.tolist(), POINTS[:, 0].tolist(), strict=True):
        assert value == pytest.approx(stats.norm.logsf(0.4, mean, sd), rel=1e-9, abs=1e-300)
    far = torch.tensor([[[-50.0, 1.0]], [[-60.0, 1.0]]], dtype=torch.float64)
    scores = LogProbabilityBeyond(0.0)(Believed(), far)
    assert scores.exp().max() == 0.0 and scores[0] > scores[1]


def test_straddle_is_highest_on_the_border_where_least_is_known() -> None:
    score = Straddle(1.0)(Believed(), POINTS)
    assert score.tolist() == pytest.approx(
        [1.96 - 1, 0.98, 1.96 * 0.2 - 4, 1.96e-3 - 1.5, 1.96 - 31]
    )


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_scores_follow_the_targets_unit(scale: float) -> None:
    belief = Believed(5.0 * scale, scale)

    def in_units(threshold: float) -> float:
        return 5.0 * scale + scale * threshold

    for card, scaled, factor in (
        (LogProbabilityBeyond(0.4), LogProbabilityBeyond(in_units(0.4)), 1.0),
        (Straddle(0.4), Straddle(in_units(0.4)), scale),
        (LogProbabilityTop((0.4, 0.9)), LogProbabilityTop((in_units(0.4), in_units(0.9))), 1.0),
    ):
        plain, got = card(Believed(), POINTS), scaled(belief, POINTS)
        assert torch.allclose(got, factor * plain, rtol=1e-5, atol=1e-9 * factor)


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_more_is_better_or_nearer(card: Acquisition) -> None:
    mean = torch.linspace(-2, 0.4, 9, dtype=torch.float64)
    row = torch.stack([mean, torch.full_like(mean, 0.5)], dim=-1).unsqueeze(-2)
    assert (card(Believed(), row).diff() > 0).all()


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_a_card_that_claims_to_fall_with_the_sd_does(card: Acquisition) -> None:
    sds = torch.linspace(0.01, 2, 9, dtype=torch.float64)
    falls = []
    for mean in (-1.0, 0.3, 2.0):
        column = torch.stack([torch.full_like(sds, mean), sds], dim=-1).unsqueeze(-2)
        falls.append(bool((card(Believed(), column).diff() >= -1e-12).all()))
    assert all(falls) == card.falls_with_sd


@pytest.mark.parametrize("card", CARDS, ids=str)
def test_joint_scores_are_refused(card: Acquisition) -> None:
    with pytest.raises(AssertionError, match="q"):
        card(Believed(), torch.zeros(2, 3, 2, dtype=torch.float64))


def test_the_probability_of_the_top_under_a_spread_threshold() -> None:
    levels = np.random.default_rng(0).normal(1.0, 0.3, 500)
    got = LogProbabilityTop(tuple(levels))(Believed(), POINTS[:2]).exp()
    for value, (mean, sd) in zip(got.tolist(), POINTS[:2, 0].tolist(), strict=True):
        assert value == pytest.approx(stats.norm.sf(levels, mean, sd).mean(), rel=1e-9)


def test_the_plug_in_in_chunks_is_the_same() -> None:
    levels = tuple(np.linspace(0, 1, 3000))
    X = torch.rand(2500, 1, 2, dtype=torch.float64)
    whole = LogProbabilityTop(levels)(Believed(), X)
    parts = [LogProbabilityTop(levels)(Believed(), X[i : i + 7]) for i in range(0, 2500, 7)]
    assert torch.allclose(whole, torch.cat(parts))


def test_top_share_of_two_correlated_points_in_closed_form() -> None:
    """P(f1 > f2) = Phi((m1 - m2) / sd of the difference)."""
    mean = torch.tensor([0.3, 0.0], dtype=torch.float64)
    covariance = torch.tensor([[1.0, 0.6], [0.6, 0.8]], dtype=torch.float64)
    draws = joint_draws(mean, covariance, standard_normals(4096, 2, seed=1))
    expected = stats.norm.cdf(0.3 / math.sqrt(1.0 + 0.8 - 1.2))
    assert top_share(draws, 1).tolist() == pytest.approx([expected, 1 - expected], abs=5e-3)
    assert torch.allclose(win_share(draws), top_share(draws, 1))


def test_top_share_by_brute_force_and_its_sum() -> None:
    draws = torch.randn(50, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for k in (1, 3, 12):
        share = top_share(draws, k)
        counts = np.zeros(12)
        for draw in draws.numpy():
            counts[np.argsort(-draw)[:k]] += 1
        assert np.allclose(share, counts / 50) and float(share.sum()) == pytest.approx(k)


def test_ties_share_the_last_place() -> None:
    draws = torch.tensor([[2.0, 1.0, 1.0, 0.0]], dtype=torch.float64)
    assert top_share(draws, 2).tolist() == [1.0, 0.5, 0.5, 0.0]
    assert kth_best(draws, 2).tolist() == [1.0]
    assert win_share(torch.ones(1, 4, dtype=torch.float64)).tolist() == [0.25] * 4
    with pytest.raises(ValueError, match="k"):
        top_share(draws, 5)


def test_thompson_takes_one_point_per_draw_and_no_point_twice() -> None:
    draws = torch.tensor([[0.0, 5.0, 1.0], [0.0, 9.0, 2.0], [7.0, 0.0, 0.0]], dtype=torch.float64)
    before = draws.clone()
    assert one_per_draw(draws, 3) == [1, 2, 0]
    assert one_per_draw(draws.flip(0), 2) == [0, 1]
    assert torch.equal(draws, before)
    assert one_per_draw(torch.zeros(5, 2, dtype=torch.float64), 4) == [0, 1]
    with pytest.raises(ValueError, match="draw"):
        one_per_draw(draws, 4)
