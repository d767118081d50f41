from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from matscout.event import Event, EventKind
from matscout.history import History
from matscout.report.calibration_table import (
    Prediction,
    binomial_bounds,
    by_block,
    calibration,
    calibration_line,
    predictions,
    reliability,
)


def history(said: list[dict[str, object]], values: list[float], sem: float = 0.0) -> History:
    events = [Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})]
    for i, (why, value) in enumerate(zip(said, values, strict=True)):
        events.append(Event(EventKind.ASKED, i, body={"params": {}, "why": why}))
        body = {"values": {"y": value}, "sem": {"y": sem} if sem else {}}
        events.append(Event(EventKind.MEASURED, i, 1, body))
    return History(events)


def normal(n: int, sd: float, seed: int = 0) -> History:
    """Truths drawn with sd 1, predicted with `sd`."""
    values = np.random.default_rng(seed).normal(size=n).tolist()
    return history([{"mean": 0.0, "sd": sd}] * n, values)


def test_right_narrow_and_wide_intervals_are_told_apart() -> None:
    right, narrow, wide = (calibration(predictions(normal(400, sd))) for sd in (1.0, 0.4, 3.0))
    assert right is not None and narrow is not None and wide is not None
    assert 0.86 < right.coverage < 0.94 and right.miscalibration < 0.04
    assert "hold what they promise" in right.sentence()
    assert narrow.coverage < 0.6 and "too narrow" in narrow.sentence()
    assert f"{100 * narrow.coverage:.0f} % instead of 90 %" in narrow.sentence()
    assert wide.coverage > 0.98 and "too wide" in wide.sentence()
    assert narrow.miscalibration > 0.15 < wide.miscalibration
    assert "too narrow" in calibration_line(normal(60, 0.3))


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (5, 9), (71, 100)])
def test_bounds_are_clopper_pearson(hits: int, n: int) -> None:
    exact = binomtest(hits, n).proportion_ci(0.95, "exact")
    assert binomial_bounds(hits, n) == pytest.approx((exact.low, exact.high))


def test_miscalibration_is_the_area_of_the_curve() -> None:
    for seed, scale in ((0, 1.0), (1, 2.5), (2, 0.3), (3, 1e9), (4, 0.0)):
        z = np.random.default_rng(seed).normal(size=23) * scale
        row = calibration([Prediction(i, v, 0.0, 1.0, True) for i, v in enumerate(z.tolist())])
        nominal, observed = reliability(z, points=20_000)
        brute = float(np.abs(observed - nominal).mean())
        assert row is not None and row.miscalibration == pytest.approx(brute, abs=1e-3)


def test_what_was_not_predicted_is_not_judged() -> None:
    said: list[dict[str, object]] = [
        {},
        {"mean": 1.0},
        {"mean": "high", "sd": 1.0},
        {"mean": 1.0, "sd": 0.0},
        {"mean": True, "sd": 1.0},
        {"mean": 1.0, "sd": 0.5},
    ]
    made = predictions(history(said, [1.0] * 6))
    assert [p.trial for p in made] == [5]
    assert calibration(made) is None and calibration_line(history(said, [1.0] * 6)) == ""


def test_the_standard_error_widens_and_a_recorded_interval_counts() -> None:
    close = predictions(history([{"mean": 0.0, "sd": 0.3}], [1.0]))[0]
    assert not close.inside
    noisy = predictions(history([{"mean": 0.0, "sd": 0.3}], [1.0], sem=0.6))[0]
    assert noisy.inside and noisy.sd == pytest.approx(np.hypot(0.3, 0.6))
    said = [{"mean": 0.0, "sd": 0.3, "low": -2.0, "high": 2.0}]
    assert predictions(history(said, [1.9]))[0].inside  # type: ignore[arg-type]
    assert not predictions(history(said, [2.1]))[0].inside  # type: ignore[arg-type]


def test_rounds_hold_every_prediction_once_and_show_a_drift() -> None:
    made = [Prediction(i, 0.0 if i < 30 else 9.0, 0.0, 1.0, i < 30) for i in range(63)]
    parts = by_block(made)
    assert sum(p.count for p in parts) == 63 and all(p.count >= 10 for p in parts)
    assert parts[0].coverage == 1.0 and parts[-1].coverage == 0.0
    assert by_block(made[:3]) == []
