"""Cards for classes: entropies, margins, committees; finding beside learning."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, stats

from matscout.acquire.balance import Balance
from matscout.acquire.bald import Bald, bald_of_regressors
from matscout.acquire.committee_kl import CommitteeKL
from matscout.acquire.consensus_entropy import ConsensusEntropy
from matscout.acquire.entropy import Entropy
from matscout.acquire.least_confident import LeastConfident
from matscout.acquire.margin import Margin
from matscout.acquire.membership import Membership, MembershipScore
from matscout.acquire.positive import Positive
from matscout.acquire.rarity import RarityWeightedEntropy
from matscout.acquire.vote_entropy import VoteEntropy

Tensor = torch.Tensor

CARDS: list[MembershipScore] = [
    Entropy(),
    Margin(),
    LeastConfident(),
    VoteEntropy(),
    ConsensusEntropy(),
    CommitteeKL(),
    Bald(),
    Positive(),
    RarityWeightedEntropy((8, 2)),
]


def committee(p: np.ndarray) -> Membership:
    return Membership.of_classes(torch.from_numpy(p))


dirichlet = arrays(np.float64, (4, 6, 3), elements=st.floats(0.0, 1.0)).map(
    lambda a: (a + 1e-3) / (a + 1e-3).sum(-1, keepdims=True)
)


@given(dirichlet)
def test_entropies_are_scipys(p: np.ndarray) -> None:
    got = Entropy()(committee(p))
    assert np.allclose(got, stats.entropy(p.mean(0), axis=-1))
    assert torch.equal(ConsensusEntropy()(committee(p)), got)


@given(dirichlet)
def test_bald_and_kl_to_the_mean_are_one_number(p: np.ndarray) -> None:
    bald, kl = Bald()(committee(p)), CommitteeKL()(committee(p))
    assert np.allclose(bald, kl, atol=1e-9)
    expected = np.mean([stats.entropy(member, p.mean(0), axis=-1) for member in p], axis=0)
    assert np.allclose(kl, expected, atol=1e-9)
    assert (kl >= 0).all() and (kl <= math.log(3) + 1e-9).all()


@given(dirichlet)
def test_margin_and_least_confident(p: np.ndarray) -> None:
    ordered = np.sort(p.mean(0), axis=-1)
    assert np.allclose(Margin()(committee(p)), ordered[:, -2] - ordered[:, -1])
    assert np.allclose(LeastConfident()(committee(p)), 1 - ordered[:, -1])


@given(arrays(np.float64, 9, elements=st.floats(0.0, 1.0)))
def test_with_two_classes_the_three_uncertainties_rank_alike(p: np.ndarray) -> None:
    one = Membership.binary(torch.from_numpy(p))
    distance = torch.from_numpy(np.abs(p - 0.5))
    for card in (Entropy(), Margin(), LeastConfident()):
        order = torch.argsort(distance)
        assert (card(one)[order].diff() <= 1e-9).all()


def test_votes_are_counted_and_ties_split() -> None:
    p = torch.tensor([[0.9, 0.6, 0.5], [0.2, 0.7, 0.5], [0.8, 0.9, 0.1]], dtype=torch.float64)
    third = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    got = VoteEntropy()(Membership.binary(p))
    assert got.tolist() == pytest.approx([third, 0.0, third])  # last: votes 1/3 : 2/3


def test_a_fair_coin_that_all_agree_on_has_entropy_but_nothing_to_learn() -> None:
    p = torch.tensor([[0.5, 1.0], [0.5, 0.0]], dtype=torch.float64)
    members = Membership.binary(p)
    assert Entropy()(members).tolist() == pytest.approx([math.log(2)] * 2)
    assert Bald()(members).tolist() == pytest.approx([0.0, math.log(2)])


@pytest.mark.parametrize("card", CARDS, ids=lambda c: c.name)
def test_shapes_and_certainty(card: MembershipScore) -> None:
    members = Membership.binary(torch.rand(5, 7, dtype=torch.float64))
    score = card(members)
    assert score.shape == (7,) and score.dtype == torch.float64
    sure = card(Membership.binary(torch.tensor([0.0, 1.0, 0.0])))
    assert torch.isfinite(sure).all()
    single = card(Membership.binary(torch.rand(7)))
    assert single.shape == (7,)


def test_bald_of_regressors_is_close_to_the_mixtures_and_never_below() -> None:
    def exact(means: np.ndarray, sds: np.ndarray) -> float:
        def density(y: float) -> float:
            return float(stats.norm.pdf(y, means, sds).mean())

        low, high = (means - 9 * sds).min(), (means + 9 * sds).max()
        entropy, _ = integrate.quad(
            lambda y: -density(y) * math.log(max(density(y), 1e-300)), low, high, limit=200
        )
        return entropy - float(stats.norm.entropy(0, sds).mean())

    for spread, tolerance in ((0.0, 1e-6), (0.3, 0.01), (1.0, 0.1)):
        means = spread * np.array([-1.0, 0.2, 0.8])
        sds = np.full(3, 0.7)
        got = bald_of_regressors(
            torch.from_numpy(means).unsqueeze(-1), torch.from_numpy(sds**2).unsqueeze(-1)
        )
        assert exact(means, sds) - 1e-6 <= float(got) <= exact(means, sds) + tolerance
    with pytest.raises(ValueError, match="positive"):
        bald_of_regressors(torch.zeros(2, 1), torch.zeros(2, 1))


@pytest.mark.parametrize(
    "p",
    [
        torch.tensor([[0.2, 0.2]]),
        torch.tensor([[1.2, -0.2]]),
        torch.tensor([[math.nan, 1.0]]),
        torch.zeros(3),
        torch.zeros(0, 4, 2),
    ],
)
def test_what_is_no_probability_is_refused(p: Tensor) -> None:
    with pytest.raises(ValueError, match="must"):
        Membership.of_classes(p)


def test_single_precision_passes_and_is_mended() -> None:
    p = torch.softmax(torch.randn(3, 50, 4), dim=-1)
    assert p.dtype == torch.float32
    total = Membership.of_classes(p).p.sum(-1)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-14)


def test_in_a_mixture_each_committee_has_the_same_say() -> None:
    trees = Membership.binary(torch.tensor([[0.0], [0.0], [0.3]]))
    regressor = Membership.binary(torch.tensor([0.9]))
    assert float(Membership.mixture([trees, regressor]).positive) == pytest.approx(0.5)


def test_a_positive_class_needs_two() -> None:
    with pytest.raises(ValueError, match="two classes"):
        Positive()(Membership.of_classes(torch.full((2, 3), 1 / 3)))


def test_balance_finds_until_there_are_enough_and_then_learns_every_second_time() -> None:
    assert Balance(2, 10, 0.3).learning(10, 5) == 0
    assert [Balance(5, 10, 0.3).learning(place, 1) for place in (10, 11, 12)] == [0, 1, 0]
    assert Balance(5, 10, 0.3).learning(10, 5) == 2 and Balance(5, 10, 0.3).learning(15, 5) == 3
    assert Balance(0, 0, 0.5).learning(0, 8) == 0


def test_balance_only_finds_where_positives_are_rare_in_the_pool() -> None:
    assert Balance(9, 10, 0.1).learning(10, 5) == 0
    with pytest.raises(ValueError, match="must be 0 <= positives"):
        Balance(11, 10, 0.1)


def test_the_rare_class_weighs_more() -> None:
    members = Membership.binary(torch.tensor([0.3, 0.7]))
    plain, weighted = Entropy()(members), RarityWeightedEntropy((9, 1))(members)
    assert float(plain[0]) == pytest.approx(float(plain[1]))
    assert weighted[1] > weighted[0]
    expected = plain * torch.tensor([0.7 * 0.2 + 0.3, 0.3 * 0.2 + 0.7])
    assert torch.allclose(weighted, expected)
    assert torch.isfinite(RarityWeightedEntropy((9, 0))(members)).all()
