"""Whether a stated probability happens as often as it says: the calibration curve and its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10

_ROUNDING = 1e-9
"""By which the mean of a forest's votes may leave [0, 1]."""


@dataclass(frozen=True)
class CalibrationCurve:
    """Of the bins that hold a row, (b,) each: the mean probability that was `stated`, the share that
    `happened`, and the `count` of rows.
    """

    stated: np.ndarray
    happened: np.ndarray
    count: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 (perfect) to 1: Naeini et al., AAAI 2015; Guo et al., ICML
        2017, eq. (3), of the positive class.
        """
        return float(np.average(np.abs(self.stated - self.happened), weights=self.count))

    @property
    def mce(self) -> float:
        """Maximum calibration error: that of the worst bin (Guo et al. 2017, eq. (5))."""
        return float(np.abs(self.stated - self.happened).max())


def calibration_curve(
    truth: np.ndarray, probability: np.ndarray, bins: int = BINS, *, even: bool = False
) -> CalibrationCurve:
    """For `truth` (n,) of 0 and 1 and the probabilities of 1, (n,). Bins have one width, or with
    `even` as near as can be the same number of rows (equal probabilities are never divided), which
    is the better of the two where nearly all probabilities are small.

    Raises ValueError for no row, and for a probability outside [0, 1].
    """
    y, p = np.asarray(truth, dtype=float), np.asarray(probability, dtype=float)
    if not len(p) or not (
        np.isfinite(p).all() and p.min() >= -_ROUNDING and p.max() <= 1 + _ROUNDING
    ):
        raise ValueError("probabilities must be numbers in [0, 1], one at least")
    p = np.clip(p, 0.0, 1.0)
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)) if even else np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], p)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    total, sums = np.bincount(place, y, bins), np.bincount(place, p, bins)
    number = count[filled]
    return CalibrationCurve(sums[filled] / number, total[filled] / number, number)


def expected_calibration_error(truth: np.ndarray, probability: np.ndarray) -> float:
    """`ece` over ten bins of one width."""
    return calibration_curve(truth, probability).ece
