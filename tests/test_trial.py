from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matscout.errors import InvalidValue
from matscout.trial import Target, checked_values

Y = (Target("y", "max"),)
YZ = (Target("y", "max"), Target("z"))


@pytest.mark.parametrize(
    "raw",
    [
        1.5,
        np.float32(1.5),
        np.array([1.5]),
        torch.tensor(1.5),
        Fraction(3, 2),
        {"y": 1.5, "other": "?"},
    ],
)
def test_numbers_of_every_kind(raw: Any) -> None:
    assert checked_values(raw, Y) == {"y": 1.5}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (math.nan, "must be finite, got nan"),
        (-math.inf, "must be finite, got -inf"),
        (None, "got nothing (None)"),
        ("3.4", "must be a number, got str '3.4'"),
        (True, "must be a number, got bool"),
        (1 + 2j, "must be a number, got complex"),
        (10**400, "too large"),
        (np.array([1.0, 2.0]), "must be a number, got ndarray"),
        ({}, "no value for y (got nothing)"),
        ({"Y": 1}, "no value for y (got Y)"),
        (Decimal("1.5"), "must be a number, got Decimal"),
    ],
)
def test_what_is_no_number_says_why(raw: Any, reason: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        checked_values(raw, Y)
    assert reason in str(caught.value)


def test_two_targets_need_two_values() -> None:
    assert checked_values({"z": 2, "y": 1}, YZ) == {"y": 1.0, "z": 2.0}
    with pytest.raises(InvalidValue, match="no value for z"):
        checked_values({"y": 1}, YZ)
    with pytest.raises(InvalidValue, match="one value for 2 targets"):
        checked_values(1.0, YZ)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text()
    | st.complex_numbers()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["y", "z"]) | st.text(), inner),
)


@given(anything)
def test_anything_is_finite_numbers_or_a_reason(raw: Any) -> None:
    for targets in (Y, YZ):
        try:
            values = checked_values(raw, targets)
        except InvalidValue as reason:
            assert str(reason).isprintable()
        else:
            assert set(values) == {t.name for t in targets}
            assert all(type(v) is float and math.isfinite(v) for v in values.values())
