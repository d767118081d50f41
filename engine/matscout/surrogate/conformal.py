"""Prediction intervals that hold whatever the surrogate is worth, as long as rows are exchangeable.

Rows that a campaign chose are not drawn like the candidates it has not: there the guarantee becomes
a good habit, and the coverage of what came back has to be watched (calibration.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from matscout.surrogate.base import Posterior, Surrogate
from matscout.surrogate.conformal_quantile import lower_of_each, upper, upper_of_each
from matscout.surrogate.held_out import measurement_sd
from matscout.surrogate.in_units import check_data
from matscout.surrogate.loo import leave_one_out, leave_one_out_at
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.rows import fold_of

FEW = 100
"""Below, every row both trains and judges (jackknife+, CV+); from there on a fifth judges only."""

FOLDS = 10
JUDGING = 5  # one row in so many is held back where there are many

_ENTRIES = 2_000_000  # of a table of candidates x rows held at once: 16 MB

LEAST_SCORES = 2
"""Scores needed before their size says by how much the sd errs."""


@dataclass(frozen=True)
class Interval:
    """Ends for b rows, (b,), physical units, always finite.

    `exact` is False where n is too small for the level: no finite interval can then be promised,
    and this one is Gaussian, its sd inflated by the root mean square of the held-out scores.
    """

    low: Tensor
    high: Tensor
    exact: bool


class ConformalIntervals(Protocol):
    """Where a new measurement will lie."""

    def interval(self, X: Tensor, level: float = 0.9) -> Interval:
        """(b, d) -> (b,), (b,)"""


@dataclass(frozen=True)
class Conformal:
    """Fits conformal intervals around a surrogate.

    Scores are |y - mean| / sd of held-out measurements, so that intervals are wide where the model
    is unsure (normalised conformity: Papadopoulos, Gammerman, Vovk 2008; Lei et al. 2018, section
    5.2). Below `FEW` rows: jackknife+ in closed form for a Gaussian process, whose hyperparameters
    stay those of all rows, else CV+ of ten folds, refitted. Above: split conformal.

    What is guaranteed at level 1 - a (Barber, Candès, Ramdas, Tibshirani 2021): 1 - 2a for
    jackknife+ (theorem 1) and nearly that for CV+ (theorem 4), both being about 1 - a in practice;
    1 - a for the split.
    """

    surrogate: Surrogate
    folds: int = FOLDS

    def fit(
        self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None, posterior: Posterior | None = None
    ) -> ConformalIntervals:
        """X (n, d), Y (n, 1), Yvar (n, 1); `posterior`, if at hand, is the fit of all rows."""
        check_data(X, Y)
        n = len(Y)
        whole = self.surrogate.fit(X, Y, Yvar) if posterior is None else posterior
        if n >= FEW:
            return self._split(X, Y, Yvar)
        if isinstance(whole, GpPosterior) and n >= 2:
            left = leave_one_out(whole)
            scores = ((Y[:, 0] - left.mean) / left.sd).abs()
            return JackknifePlus(whole, scores.numpy())
        fold = fold_of(X, Y[:, 0], min(self.folds, max(n, 1)))
        if n < 2 or len(np.unique(fold)) < 2:
            return CvPlus(whole, (), np.zeros(0), np.zeros(0, dtype=np.int64))
        parts, scores = self._refits(X, Y, Yvar, fold)
        return CvPlus(whole, parts, scores, fold)

    def _refits(
        self, X: Tensor, Y: Tensor, Yvar: Tensor | None, fold: np.ndarray
    ) -> tuple[list[Posterior], np.ndarray]:
        """The fits without each fold, and each row's score under the one without it, (n,)."""
        parts, scores = [], np.empty(len(Y))
        for number in range(int(fold.max()) + 1):
            out = torch.from_numpy(fold == number)
            part = self.surrogate.fit(X[~out], Y[~out], None if Yvar is None else Yvar[~out])
            parts.append(part)
            scores[out.numpy()] = _scores(part, X[out], Y[out])
        return parts, scores

    def _split(self, X: Tensor, Y: Tensor, Yvar: Tensor | None) -> ConformalIntervals:
        out = torch.from_numpy(fold_of(X, Y[:, 0], JUDGING) == 0)
        part = self.surrogate.fit(X[~out], Y[~out], None if Yvar is None else Yvar[~out])
        return SplitConformal(part, _scores(part, X[out], Y[out]))


@dataclass(frozen=True)
class SplitConformal:
    """mean ± q sd, q the ⌈(1 - a)(m + 1)⌉-th smallest of m scores, (m,)."""

    posterior: Posterior
    scores: np.ndarray

    def interval(self, X: Tensor, level: float = 0.9) -> Interval:
        width = upper(self.scores, level)
        if not math.isfinite(width):
            return gaussian(self.posterior, X, level, self.scores)
        mean, sd = _measured(self.posterior, X)
        return Interval(mean - width * sd, mean + width * sd, True)


@dataclass(frozen=True)
class JackknifePlus:
    """Barber et al. 2021, equation 1.4, the fits without each row by partitioned inverses (loo.py).

    Ends are quantiles over i of mu_-i(x) ∓ R_i sigma_-i(x).
    """

    posterior: GpPosterior
    scores: np.ndarray

    def interval(self, X: Tensor, level: float = 0.9) -> Interval:
        if not math.isfinite(upper(self.scores, level)):
            return gaussian(self.posterior, X, level, self.scores)
        parts = []
        for rows in X.split(max(1, _ENTRIES // len(self.scores))):
            means, latent = leave_one_out_at(self.posterior, rows)
            sds = measurement_sd(self.posterior, latent)
            parts.append(_ends(means.numpy(), sds.numpy(), self.scores, level))
        return _joined(parts)


@dataclass(frozen=True)
class CvPlus:
    """Barber et al. 2021, equation 3.1: as `JackknifePlus`, row i judged by the fit without its fold.

    parts   one fit for each fold; fold (n,) names each row's
    """

    posterior: Posterior
    parts: Sequence[Posterior]
    scores: np.ndarray
    fold: np.ndarray

    def interval(self, X: Tensor, level: float = 0.9) -> Interval:
        if not math.isfinite(upper(self.scores, level)):
            return gaussian(self.posterior, X, level, self.scores)
        said = [_measured(part, X) for part in self.parts]
        means, sds = (torch.stack(column, dim=1).numpy() for column in zip(*said, strict=True))
        at_once = max(1, _ENTRIES // len(self.scores))
        ends = [
            _ends(means[i : i + at_once][:, self.fold], sds[i : i + at_once][:, self.fold],
                  self.scores, level)
            for i in range(0, len(X), at_once)
        ]  # fmt: skip
        return _joined(ends)


def gaussian(posterior: Posterior, X: Tensor, level: float, scores: np.ndarray) -> Interval:
    """The fall-back (see `Interval`): mean ± z sd, sd inflated and never deflated by the scores."""
    inflation = 1.0
    if len(scores) >= LEAST_SCORES:
        inflation = max(1.0, float(np.sqrt(np.mean(np.square(scores)))))
    half = NormalDist().inv_cdf(0.5 + 0.5 * level) * inflation
    mean, sd = _measured(posterior, X)
    return Interval(mean - half * sd, mean + half * sd, False)


def _ends(
    means: np.ndarray, sds: np.ndarray, scores: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """(b, n), (b, n), (n,) -> (b,), (b,)"""
    return lower_of_each(means - scores * sds, level), upper_of_each(means + scores * sds, level)


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Interval:
    low, high = (torch.from_numpy(np.concatenate(column)) for column in zip(*parts, strict=True))
    return Interval(low, high, True)


def _scores(posterior: Any, X: Tensor, Y: Tensor) -> np.ndarray:
    mean, sd = _measured(posterior, X)
    return ((Y[:, 0] - mean) / sd).abs().numpy()


def _measured(posterior: Posterior, X: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sd of a new measurement: (b, d) -> (b,), (b,)."""
    with torch.no_grad():
        mean, sd = posterior.mean_sd(X)
    return mean, measurement_sd(posterior, sd)
