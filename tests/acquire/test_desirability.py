from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matscout.acquire.desirability import Larger, Near, Smaller, expected, overall


def values(*y: float) -> torch.Tensor:
    return torch.tensor(y, dtype=torch.float64)


def test_one_sided() -> None:
    y = values(-1.0, 0.0, 1.0, 2.0, 9.0)
    assert Larger(0.0, 2.0)(y).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert Larger(0.0, 2.0, weight=2.0)(y).tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]
    assert Smaller(0.0, 2.0)(y).tolist() == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_two_sided() -> None:
    near = Near(0.0, 1.0, 3.0, weight_above=2.0)
    y = values(-1.0, 0.5, 1.0, 2.0, 3.0, 4.0)
    assert near(y).tolist() == pytest.approx([0.0, 0.5, 1.0, 0.25, 0.0, 0.0])


def test_one_useless_property_makes_the_whole_useless() -> None:
    each = [Larger(0.0, 1.0), Smaller(0.0, 1.0)]
    Y = torch.tensor([[1.0, 0.0], [0.5, 0.5], [1.0, 1.0]], dtype=torch.float64)
    assert overall(Y, each).tolist() == pytest.approx([1.0, 0.5, 0.0])


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=2))
def test_it_stays_between_0_and_1(y: list[float]) -> None:
    each = [Near(-1.0, 0.0, 2.0), Larger(-1.0, 1.0, 0.3)]
    assert 0.0 <= float(overall(values(*y), each)) <= 1.0


def test_expected_sees_a_chance_where_the_mean_is_useless() -> None:
    draws = torch.tensor([[[-1.0]], [[1.0]]], dtype=torch.float64)
    each = [Larger(0.0, 1.0)]
    assert expected(draws, each).tolist() == [0.5]
    assert overall(draws.mean(0), each).tolist() == [0.0]


def test_bad_limits_are_refused() -> None:
    for make in (
        lambda: Larger(1.0, 1.0),
        lambda: Smaller(2.0, 1.0),
        lambda: Near(0.0, 3.0, 2.0),
        lambda: Larger(0.0, 1.0, 0.0),
    ):
        with pytest.raises(ValueError, match="ascend"):
            make()
    with pytest.raises(ValueError, match="targets"):
        overall(torch.zeros(2, 3), [Larger(0.0, 1.0)])
