"""What a learning curve says: the score at each number of rows, and what the last step gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matscout.drive.nested import Estimate, over_folds
from matscout.evaluate.tabular_curve import CurveScore
from matscout.models.metrics import Metric


@dataclass(frozen=True)
class CurvePoint:
    """The scores of the model and of a dummy that was trained on as few: `least` to `most` rows, by the
    fold, in `fits` fits.
    """

    least: int
    most: int
    fits: int
    model: Estimate
    dummy: Estimate


@dataclass(frozen=True)
class Curve:
    """`gain` is by how much the model got better from the last point but one to the last, `lead` by how
    much it then beats the dummy (positive: it did, it does); both are paired fold by fold.
    """

    points: tuple[CurvePoint, ...]
    gain: Estimate
    lead: Estimate


def curve_of(scores: Sequence[CurveScore], metric: Metric) -> Curve:
    """The curve of all its fits, two points or more. Draws are averaged inside their fold first: they
    are judged by the same rows.
    """
    places = sorted({one.fit.point for one in scores})
    at = [[one for one in scores if one.fit.point == place] for place in places]
    fitted = {one.fit.fold: one.fit for one in at[-1]}.values()
    ratio = float(np.mean([len(fit.judge) / len(fit.train) for fit in fitted]))
    model = [_by_fold(same, [one.score for one in same]) for same in at]
    dummy = [_by_fold(same, [one.dummy for one in same]) for same in at]
    points = [
        CurvePoint(
            min(one.fit.size for one in same),
            max(one.fit.size for one in same),
            len(same),
            over_folds(own, ratio),
            over_folds(theirs, ratio),
        )
        for same, own, theirs in zip(at, model, dummy, strict=True)
    ]
    gain = over_folds(metric.sign * (model[-1] - model[-2]), ratio)
    return Curve(tuple(points), gain, over_folds(metric.sign * (model[-1] - dummy[-1]), ratio))


def _by_fold(same: Sequence[CurveScore], values: Sequence[float]) -> np.ndarray:
    """The mean over draws, (folds,)."""
    fold = np.array([one.fit.fold for one in same])
    found = np.array(values, dtype=float)
    return np.array([found[fold == number].mean() for number in np.unique(fold)])
