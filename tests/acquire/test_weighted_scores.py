"""Scores per cost, and scores of experiments that may fail."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matscout.acquire.confidence_bound import ConfidenceBound
from matscout.acquire.cost_aware import cooling, cost_aware
from matscout.acquire.feasible import LEAST, feasible, feasible_above
from matscout.acquire.log_ei import LogExpectedImprovement
from matscout.acquire.probability_beyond import LogProbabilityBeyond

Tensor = torch.Tensor


@dataclass(frozen=True)
class Believed:
    """Mean, sd and one more thing (a cost, a chance) are the columns of X."""

    loc: float = 0.0
    scale: float = 1.0

    @property
    def standardised(self) -> Believed:
        return self

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return X[..., 0], X[..., 1]


def third(X: Tensor) -> Tensor:
    return X[..., 2]


X = torch.tensor(
    [[0.5, 1.0, 2.0], [0.5, 1.0, 0.1], [-2.0, 0.3, 1.0]], dtype=torch.float64
).unsqueeze(-2)


def test_improvement_per_cost_is_a_ratio() -> None:
    inner = LogExpectedImprovement(0.4)
    got = cost_aware(inner, third)(Believed(), X).exp()
    assert torch.allclose(got, inner(Believed(), X).exp() / X[:, 0, 2])
    assert torch.allclose(cost_aware(inner, third, 0.0)(Believed(), X), inner(Believed(), X))
    half = cost_aware(inner, third, 0.5)(Believed(), X).exp()
    assert torch.allclose(half, inner(Believed(), X).exp() / X[:, 0, 2].sqrt())


def test_a_cost_must_be_one() -> None:
    for bad in (0.0, -1.0, math.nan, math.inf):
        at = X.clone()
        at[0, 0, 2] = bad
        with pytest.raises(ValueError, match="positive"):
            cost_aware(LogExpectedImprovement(0.4), third)(Believed(), at)


def test_cooling_falls_from_1_to_0() -> None:
    assert [cooling(s, 100.0, 20.0) for s in (20.0, 60.0, 100.0, 130.0)] == [1.0, 0.5, 0.0, 0.0]
    assert cooling(5.0, 100.0, 20.0) == 1.0
    assert cooling(0.0, 10.0, 10.0) == 0.0


@pytest.mark.parametrize("wrap", [cost_aware, feasible, lambda i, f: feasible_above(i, f, 0.0)])
def test_a_wrapped_card_has_a_name_and_promises_of_its_own(wrap) -> None:
    falling, other = LogExpectedImprovement(0.0), LogProbabilityBeyond(0.0)
    assert wrap(falling, third).falls_with_sd and not wrap(other, third).falls_with_sd
    names = {card.name for card in (wrap(falling, third), wrap(other, third), falling, other)}
    assert len(names) == 4


def chances(X: Tensor) -> Tensor:
    return X[..., 2] / 2.0


def test_a_log_score_adds_the_log_of_the_chance() -> None:
    inner = LogExpectedImprovement(0.4)
    got = feasible(inner, chances)(Believed(), X).exp()
    assert torch.allclose(got, inner(Believed(), X).exp() * X[:, 0, 2] / 2)


def test_no_chance_at_all_is_last_but_not_lost() -> None:
    at = X.clone()
    at[0, 0, 2] = 0.0
    score = feasible(LogExpectedImprovement(0.4), chances)(Believed(), at)
    assert torch.isfinite(score).all()
    plain = LogExpectedImprovement(0.4)(Believed(), at)
    assert float(score[0]) == pytest.approx(float(plain[0]) + math.log(LEAST))


def test_a_bound_is_an_expected_utility_where_failing_is_worth_something() -> None:
    inner = ConfidenceBound(1.0)
    got = feasible_above(inner, chances, failure=-1.0)(Believed(), X)
    score, p = inner(Believed(), X), X[:, 0, 2] / 2
    above = score >= -1.0
    assert torch.allclose(got[above], (p * score + (1 - p) * -1.0)[above])


finite = st.floats(-5, 5)
chance = st.floats(0.01, 2.0)


@given(finite, chance, chance)
def test_of_two_equal_scores_the_likelier_wins_also_below_zero(
    mean: float, one: float, two: float
) -> None:
    at = torch.tensor([[[mean, 0.5, one]], [[mean, 0.5, two]]], dtype=torch.float64)
    score = feasible_above(ConfidenceBound(1.0), chances, failure=0.0)(Believed(), at)
    assert float(score[0] - score[1]) * (one - two) >= 0


@given(finite, finite, chance)
def test_of_two_equal_chances_the_better_wins(one: float, two: float, p: float) -> None:
    at = torch.tensor([[[one, 0.5, p]], [[two, 0.5, p]]], dtype=torch.float64)
    score = feasible_above(ConfidenceBound(1.0), chances, failure=0.0)(Believed(), at)
    assert float(score[0] - score[1]) * (one - two) >= 0
