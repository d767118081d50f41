"""Values beside their errors."""

from __future__ import annotations

import math

import pytest

from matscout.drive.rounding import rounded_together


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (1.23456, 0.0456, ("1.235", "0.046")),
        (123.456, 12.3, ("123", "12")),
        (0.5, 0.0996, ("0.50", "0.10")),
        (-2.0, 0.5, ("-2.00", "0.50")),
        (1234.5678, 456.0, ("1234.57", "4.6e+02")),
        (3.0e7, 0.1, ("3e+07", "0.1")),
        (1.0, 1e-9, ("1", "1e-09")),
        (2.5, 0.0, ("2.5", "0")),
        (2.5, math.nan, ("2.5", "nan")),
    ],
)
def test_both_end_at_the_same_place(value: float, error: float, said: tuple[str, str]) -> None:
    assert rounded_together(value, error) == said
