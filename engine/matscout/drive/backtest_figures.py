"""What a backtest says: experiments to 80 %, acceleration, enhancement, with intervals over seeds.

Acceleration AF and enhancement EF as in Liang et al. 2021 (npj Comput. Mater. 7, 188), equations
1 to 3: Top%(i) is the share of the wanted found after i experiments; EF(i) is Top%(i) over that of
a random order, i/N; AF is the experiments that random needs over those that the arm needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matscout.drive.backtest import RANDOM, Played

RESAMPLES = 2000
_LEVEL = 95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ArmFigures:
    """One arm over all seeds; infinite where the budget did not suffice.

    to_80 (seeds,) experiments until 80 % of the wanted were found. af, saved: median over random's
    and its difference to it, with 95 % bootstrap intervals, seeds paired. found_ratio: area under
    the curve of what was found over that of random's expectation; found_gain: its difference to what
    random reached with the same seeds. quality: of the learned model at each number of labels, mean
    over seeds; gain: its difference to random's at the end. tail, tenths: its RMSE on the outer tenths
    of the target and on each (drive/learned.py), at the end, mean over seeds. by_model: whether the
    model is what counts.
    NaN where there is nothing to compare, as the intervals are with a single seed.
    """

    name: str
    to_80: Array
    af: float
    af_ci: tuple[float, float]
    saved: float
    saved_ci: tuple[float, float]
    ef_max: float
    found_ratio: float
    found: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...] = ()
    quality: tuple[float, ...] = ()
    gain: float = math.nan
    gain_ci: tuple[float, float] = (math.nan, math.nan)
    found_gain: float = math.nan
    found_gain_ci: tuple[float, float] = (math.nan, math.nan)
    by_model: bool = False
    tail: float = math.nan
    tenths: tuple[float, ...] = ()

    @property
    def helped(self) -> bool | None:
        """Whether the interval says so; None where it is about random itself, or there is none.

        By the model if that is the goal, else by the experiments saved until 80 % were found; where
        the budget does not go so far, by all that was found on the way.
        """
        if self.name == RANDOM:
            return None
        if self.by_model:
            low = self.gain_ci[0]
        else:
            low = self.saved_ci[0] if math.isfinite(self.saved) else self.found_gain_ci[0]
        return None if math.isnan(low) else low > 0


def figures(played: Sequence[Played], *, by_model: bool = False) -> dict[str, ArmFigures]:
    """By arm, `random` first. Every arm has the same seeds. `by_model`: the goal is the model."""
    arms: dict[str, list[Played]] = {}
    for one in sorted(played, key=lambda p: (p.arm != RANDOM, p.seed)):
        arms.setdefault(one.arm, []).append(one)
    base = arms[RANDOM]
    # Random goes on beyond the budget, so that there is something to divide by.
    length = min(len(one.found) for one in played)
    return {name: _figures(name, runs, base, length, by_model) for name, runs in arms.items()}


def _figures(
    name: str, runs: Sequence[Played], base: Sequence[Played], length: int, by_model: bool
) -> ArmFigures:
    to_80, random = (np.array([run.to_80 for run in part]) for part in (runs, base))
    af, af_ci = _interval(lambda a, b: np.median(b, -1) / np.median(a, -1), to_80, random)
    if math.isinf(np.median(to_80)):
        af, af_ci = math.nan, (math.nan, math.nan)  # 0 would say that the arm is known to be slow
    saved, saved_ci = _interval(lambda a, b: np.median(b - a, -1), to_80, random)
    ratio, theirs = (np.array([run.area(length) for run in part]) for part in (runs, base))
    more, more_ci = _interval(_mean_difference, ratio, theirs)
    labels, quality = (), ()
    gain, gain_ci = math.nan, (math.nan, math.nan)
    if runs[0].labels:
        labels = tuple(np.mean([run.labels for run in runs], axis=0).round().astype(int).tolist())
        ours, others = (np.array([run.quality for run in part]) for part in (runs, base))
        quality = tuple(ours.mean(axis=0).tolist())
        gain, gain_ci = _interval(_mean_difference, ours[:, -1], others[:, -1])
    tail, tenths = math.nan, ()
    if runs[0].tenths:
        tail = float(np.mean([run.tail[-1] for run in runs]))
        tenths = tuple(np.mean([run.tenths for run in runs], axis=0).tolist())
    return ArmFigures(
        name, to_80, af, af_ci, saved, saved_ci, _ef_max(runs, length), float(ratio.mean()),
        tuple(tuple(run.found.tolist()) for run in runs), labels, quality, gain, gain_ci, more,
        more_ci, by_model, tail, tenths,
    )  # fmt: skip


def _mean_difference(ours: Array, theirs: Array) -> Any:
    return np.mean(ours - theirs, -1)


def _interval(statistic: Any, ours: Array, theirs: Array) -> tuple[float, tuple[float, float]]:
    """The statistic and its bootstrap interval, seeds drawn in pairs; none from one seed alone."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(ours), size=(RESAMPLES, len(ours)))
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = float(statistic(ours, theirs))
        parts = statistic(ours[drawn], theirs[drawn])
        parts = parts[~np.isnan(parts)]
    if math.isnan(whole) or not len(parts) or len(ours) < 2:
        return whole, (math.nan, math.nan)
    tail = (100 - _LEVEL) / 2
    low, high = np.percentile(parts, [tail, 100 - tail], method="nearest")
    return whole, (float(low), float(high))


def _ef_max(runs: Sequence[Played], length: int) -> float:
    """Of the mean curve; from the tenth experiment, before which one lucky find is everything."""
    i = np.arange(1, length + 1)
    each = [run.found[:length] / run.wanted / (i / run.candidates) for run in runs]
    return float(np.mean(each, axis=0)[min(9, length - 1) :].max())


def to_json(arms: Mapping[str, ArmFigures], candidates: int, wanted: int) -> dict[str, Any]:
    """For a machine: infinities and NaN become null."""
    return {
        "n": candidates,
        "top": wanted,
        "arms": {
            name: {
                "to_80": {
                    "median": _plain(float(np.median(arm.to_80))),
                    "per_seed": [_plain(v) for v in arm.to_80],
                },
                "af": {"median": _plain(arm.af), "ci95": [_plain(v) for v in arm.af_ci]},
                "saved": {"median": _plain(arm.saved), "ci95": [_plain(v) for v in arm.saved_ci]},
                "ef_max": _plain(arm.ef_max),
                "found_ratio": _plain(arm.found_ratio),
                "found_gain": {
                    "mean": _plain(arm.found_gain),
                    "ci95": [_plain(v) for v in arm.found_gain_ci],
                },
                "found": [list(curve) for curve in arm.found],
                "learned": {
                    "labels": list(arm.labels),
                    "quality": [_plain(v) for v in arm.quality],
                    "gain": _plain(arm.gain),
                    "ci95": [_plain(v) for v in arm.gain_ci],
                    "rmse_tail": _plain(arm.tail),
                    "rmse_tenths": [_plain(v) for v in arm.tenths],
                },
                "helped": arm.helped,
            }
            for name, arm in arms.items()
        },
    }


def _plain(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
