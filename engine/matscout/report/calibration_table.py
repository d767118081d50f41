"""Were the predictions right? What was said at the time of asking, against what came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from matscout.finite import is_number
from matscout.history import History
from matscout.trial import Target, Trial

Array = NDArray[np.float64]

LEVEL = 0.9
"""The intervals that are judged: nine in ten measurements should fall inside."""

_LEAST = 5
"""Predictions below which nothing is said: a coverage of 4 of 4 means nothing."""

_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)


@dataclass(frozen=True)
class Prediction:
    """One measurement and what was believed of it when it was asked for.

    `sd` is that of the measurement: what the 90 % interval said at the time stands for or, where
    none was recorded, that of the belief about the noise-free value, widened by the standard error
    that came with the value. `inside` is whether the interval held the value.
    """

    trial: int
    value: float
    mean: float
    sd: float
    inside: bool

    @property
    def z(self) -> float:
        return (self.value - self.mean) / self.sd


@dataclass(frozen=True)
class CalibrationRow:
    """`inside` of `count` 90 % intervals held their measurement; `low`, `high` bound the true share.

    They are the exact 95 % binomial interval (Clopper and Pearson 1934). `miscalibration` is the area
    between the share of measurements inside central intervals and their nominal probability (see
    surrogate/calibration.py): 0 is perfect, 0.5 the worst. `bias` is the mean z.
    """

    first: int
    last: int
    count: int
    inside: int
    low: float
    high: float
    miscalibration: float
    bias: float

    @property
    def coverage(self) -> float:
        return self.inside / self.count

    def sentence(self) -> str:
        """What a person should make of it, in one honest sentence."""
        share = f"{100 * self.coverage:.0f} % instead of {100 * LEVEL:.0f} %"
        range_ = f"{100 * self.low:.0f}–{100 * self.high:.0f} % are compatible with the data"
        if self.high < LEVEL:
            return f"Intervals are too narrow: {share} ({range_}). Trust them less than they ask."
        if self.low > LEVEL:
            return f"Intervals are too wide: {share} ({range_}). The model knows more than it says."
        hedge = "" if self.count >= 30 else "; with so few predictions this proves little"
        return f"Intervals hold what they promise so far: {share} ({range_}{hedge})."


def predictions(history: History, target: Target | None = None) -> list[Prediction]:
    """Every measurement of `target` that a surrogate had predicted, in the order of completion."""
    target = target or history.targets[0]
    made = (_prediction(t, target) for t in history.completed)
    return [p for p in made if p is not None]


def calibration(made: Sequence[Prediction]) -> CalibrationRow | None:
    """Of all that is given, or None for fewer than five."""
    if len(made) < _LEAST:
        return None
    inside = sum(p.inside for p in made)
    from matscout.surrogate.calibration import miscalibration_area

    low, high = binomial_bounds(inside, len(made))
    z = np.array([p.z for p in made])
    trials = [p.trial for p in made]
    return CalibrationRow(
        first=min(trials),
        last=max(trials),
        count=len(made),
        inside=inside,
        low=low,
        high=high,
        miscalibration=miscalibration_area(z, np.zeros(len(z)), np.ones(len(z))),
        bias=float(z.mean()),
    )


def binomial_bounds(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact bounds of a share of which `hits` of `n` were seen (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    tail = (1.0 - level) / 2.0
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1.0 - tail)) if hits < n else 1.0
    return low, high


def by_block(made: Sequence[Prediction], block: int | None = None) -> list[CalibrationRow]:
    """CalibrationRow of each `block` predictions in a row; the last, short one joins the one before.

    Unset: a quarter of all, at least ten.
    """
    size = block or max(10, math.ceil(len(made) / 4))
    starts = list(range(0, len(made), size))
    if len(starts) > 1 and len(made) - starts[-1] < max(_LEAST, size // 2):
        starts.pop()
    ends = [*starts[1:], len(made)]
    parts = (calibration(made[a:b]) for a, b in zip(starts, ends, strict=True))
    return [part for part in parts if part is not None]


def reliability(z: Array, points: int = 99) -> tuple[Array, Array]:
    """Nominal probabilities p (points,) and the share of |z| inside the central p interval."""
    nominal = np.arange(1, points + 1) / (points + 1)
    normal = NormalDist()
    half = np.array([normal.inv_cdf(0.5 + p / 2) for p in nominal.tolist()])
    return nominal, np.asarray((np.abs(z)[None, :] <= half[:, None]).mean(axis=1))


def calibration_line(history: History) -> str:
    """For `matscout status`: one line, empty while there is nothing to judge."""
    made = predictions(history)
    whole = calibration(made)
    if whole is None:
        return ""
    text = (
        f"calibration: {whole.inside} of {whole.count} measurements fell inside their 90 % interval"
        f" (miscalibration area {whole.miscalibration:.2f})"
    )
    parts = by_block(made)
    if len(parts) > 1:
        text += ", by round " + ", ".join(f"{100 * p.coverage:.0f} %" for p in parts)
    if whole.high < LEVEL:
        text += "; too narrow"
    elif whole.low > LEVEL:
        text += "; too wide"
    return text


def _prediction(trial: Trial, target: Target) -> Prediction | None:
    """The first measurement alone is judged: replicates were asked for knowing it."""
    value, mean, sd = (
        _number(trial.values.get(target.name)),
        _number(trial.why.get("mean")),
        _number(trial.why.get("sd")),
    )
    if value is None or mean is None or sd is None or sd < 0:
        return None
    low, high = _number(trial.why.get("low")), _number(trial.why.get("high"))
    if low is not None and high is not None and low < high:
        return Prediction(trial.id, value, mean, (high - low) / (2 * _Z), low <= value <= high)
    sem = _number(trial.sem.get(target.name)) or 0.0
    spread = math.hypot(sd, sem)
    if spread <= 0:
        return None
    return Prediction(trial.id, value, mean, spread, abs(value - mean) <= _Z * spread)


def _number(value: object) -> float | None:
    return float(value) if is_number(value) else None
