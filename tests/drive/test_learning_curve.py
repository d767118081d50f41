"""What a learning curve says, from scores that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from matscout.data.learning_curve import CurveFold
from matscout.drive.learning_curve import curve_of
from matscout.drive.nested import over_folds
from matscout.evaluate.tabular_curve import CurveScore
from matscout.models.metrics import METRICS


def one(point: int, draw: int, fold: int, score: float, dummy: float = 4.0) -> CurveScore:
    train, judge = np.arange(10 * (point + 1)), np.arange(100, 105)
    return CurveScore(CurveFold(point, len(train), draw, fold, train, judge), score, dummy)


SCORES = [
    one(0, 0, 0, 3.0), one(0, 0, 1, 5.0), one(0, 1, 0, 5.0), one(0, 1, 1, 7.0),
    one(1, 0, 0, 2.0), one(1, 0, 1, 3.5),
]  # fmt: skip


def test_draws_count_once_and_folds_are_paired() -> None:
    curve = curve_of(SCORES, METRICS["mae"])
    assert [(p.least, p.most, p.fits, p.model.mean) for p in curve.points] == [
        (10, 10, 4, 5.0),
        (20, 20, 2, 2.75),
    ]
    # By fold the errors fall from 4 to 2 and from 6 to 3.5.
    assert curve.gain.mean == 2.25 and curve.lead.mean == 1.25
    half = stats.t.ppf(0.975, 1) * math.sqrt((1 / 2 + 5 / 20) * np.var([2.0, 2.5], ddof=1))
    assert curve.gain.high - 2.25 == pytest.approx(half)
    other = curve_of(SCORES, METRICS["r2"])
    assert other.gain.mean == -2.25 and other.lead.mean == -1.25


def test_one_fold_has_no_interval() -> None:
    curve = curve_of([s for s in SCORES if s.fit.fold == 0], METRICS["mae"])
    assert curve.gain.mean == 2.0 and curve.gain.low == -math.inf
    assert over_folds(np.array([1.0]), 0.25).high == math.inf


def test_a_score_that_is_no_number_spoils_its_point_only() -> None:
    spoilt = [replace(SCORES[0], score=math.nan), *SCORES[1:]]
    curve = curve_of(spoilt, METRICS["mae"])
    assert math.isnan(curve.points[0].model.mean) and curve.points[1].model.mean == 2.75
