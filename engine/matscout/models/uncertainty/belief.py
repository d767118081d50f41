"""What every model that knows its own uncertainty says: a mean and two standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from matscout.models.inputs import Inputs

LEAST_SD = 1e-3
"""Of a measurement, where the training targets' sd is 1. A few equal targets say that the noise is
small, and not that it is none, for which no likelihood has a number. Lakshminarayanan, Pritzel,
Blundell, NeurIPS 2017 (section 2.2.1) keep variances above 1e-6."""


@dataclass(frozen=True)
class Belief:
    """About b rows, each (b,), in the target's own unit.

    epistemic  sd of the noise-free value: what more data would take away
    aleatoric  sd of a measurement about that value: what more data would not
    """

    mean: np.ndarray
    epistemic: np.ndarray
    aleatoric: np.ndarray

    @property
    def sd(self) -> np.ndarray:
        """Of a new measurement. The two variances add, by the law of total variance (Kendall and
        Gal 2017, equation 9)."""
        return np.hypot(self.epistemic, self.aleatoric)

    def in_units(self, loc: float, scale: float) -> Belief:
        """From a target that was standardised by (y - loc) / scale."""
        return Belief(loc + scale * self.mean, scale * self.epistemic, scale * self.aleatoric)


def together(each: Sequence[Belief]) -> Belief | None:
    """The mixture of what n models say, by the law of total variance: what they do not agree on is
    epistemic, with n - 1 below the line as between the members of an ensemble. None of none."""
    if not each:
        return None
    means = np.stack([one.mean for one in each])
    between = means.var(axis=0, ddof=1) if len(each) > 1 else np.zeros(means.shape[1])
    within, noise = (
        np.mean([np.square(getattr(one, name)) for one in each], axis=0)
        for name in ("epistemic", "aleatoric")
    )
    return Belief(means.mean(axis=0), np.sqrt(within + between), np.sqrt(noise))


class Fitted(Protocol):
    def predict(self, X: Inputs | np.ndarray) -> Belief:
        """Pure: the same rows get the same belief, whatever their company."""


class UncertainModel(Protocol):
    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> Fitted:
        """X n rows (arrays are (n, d)), y (n,) physical units, n >= 2. Everything that is scaled is
        scaled by these rows alone. ValueError for shapes that do not agree or values that are not
        finite."""


def least_variance(y: np.ndarray) -> float:
    """By LEAST_SD, in the squared unit of the training targets y (n,), whose sd counts as 1 if all are
    equal."""
    return float((LEAST_SD * (np.std(y) if np.ptp(y) > 0 else 1.0)) ** 2)


def check_rows(inputs: Inputs, y: np.ndarray, least: int = 2) -> np.ndarray:
    """y as float64. ValueError unless it is finite and (n,), with n = len(inputs) >= least."""
    y = np.asarray(y, dtype=np.float64)
    if y.shape != (len(inputs),) or not np.isfinite(y).all():
        raise ValueError(f"y must be finite and ({len(inputs)},), got shape {y.shape}")
    if len(y) < least:
        raise ValueError(f"needs {least} rows at least, got {len(y)}")
    return y
