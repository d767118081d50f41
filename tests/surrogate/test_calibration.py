from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from matscout.surrogate.calibration import (
    Calibration,
    coverage,
    interval,
    miscalibration_area,
    sharpness,
)


def test_coverage_counts() -> None:
    y, mean, sd = [0.0, 1.0, 2.0, 5.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]
    assert coverage(y, mean, sd, 0.9) == 0.5  # within 1.645
    assert coverage(y, mean, sd, 0.96) == 0.75  # within 2.054
    low, high = interval(mean, sd, 0.9)
    assert low[0] == pytest.approx(-1.6448536) and high[0] == pytest.approx(1.6448536)


def test_perfect_uncertainty_has_no_area() -> None:
    level = (np.arange(2000) + 0.5) / 2000
    y = norm.ppf(level)
    assert miscalibration_area(y, np.zeros(2000), np.ones(2000)) < 1e-3


def test_the_area_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    y, mean, sd = rng.normal(size=17), rng.normal(size=17), rng.uniform(0.2, 3, size=17)
    p = (np.arange(200_000) + 0.5) / 200_000
    half = norm.ppf(0.5 + 0.5 * p)
    z = np.sort(np.abs((y - mean) / sd))
    share = np.searchsorted(z, half, side="right") / 17
    assert miscalibration_area(y, mean, sd) == pytest.approx(np.abs(share - p).mean(), abs=1e-4)


def test_the_worst_areas() -> None:
    y = np.linspace(-1, 1, 50)
    assert miscalibration_area(y + 1e3, y, np.full(50, 1e-3)) == pytest.approx(0.5)
    assert miscalibration_area(y, y, np.full(50, 1.0)) == pytest.approx(0.5)


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e200])
def test_sharpness_is_the_root_of_the_mean_variance(unit: float) -> None:
    assert sharpness(unit * np.array([3.0, 4.0])) == pytest.approx(unit * math.sqrt(12.5))


def test_all_of_it_and_nothing() -> None:
    found = Calibration.of([0.0, 9.0], [0.0, 0.0], [1.0, 1.0])
    assert (found.n, found.level, found.coverage, found.sharpness) == (2, 0.9, 0.5, 1.0)
    empty = Calibration.of([], [], [])
    assert empty.n == 0 and all(math.isnan(v) for v in (empty.coverage, empty.area))


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="positive"):
        coverage([1.0], [1.0], [0.0])
    with pytest.raises(ValueError, match="level"):
        coverage([1.0], [1.0], [1.0], 90)
    with pytest.raises(ValueError, match="must be"):
        miscalibration_area([1.0, 2.0], [1.0], [1.0])
