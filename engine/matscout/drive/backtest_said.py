"""Whether what a campaign said of experiments held when they were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from matscout.history import History
from matscout.propose.base import Forecast, Proposer
from matscout.space import Space
from matscout.surrogate.calibration import miscalibration_area
from matscout.trial import Proposal

LEVEL = 0.9
"""Of the intervals that proposals and forecasts carry."""

EVERY = 10
"""Experiments between two looks at the whole pool: each is a fit of its own."""

_NAMES = ("low", "high", "measured")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Said:
    """Ends of the 90 % intervals that were given beforehand, and what the table says: (n, 3) each.

    picks  of the experiments that were picked, when they were picked
    pool   of all candidates that had not been asked for, at every look; a candidate counts once for
           each look. Empty where nobody looked.
    """

    picks: Array
    pool: Array


@dataclass
class Listener:
    """Notes what a proposer says at every ask of a campaign that is played (drive/rehearse.py).

    values (n_candidates,) are what experiments say. `whole`: also ask for its forecast of the whole
    pool, where it has one, every `EVERY` experiments. A pick that came without an interval has that
    of the forecast, if there was one at that ask.
    """

    space: Space
    proposer: Proposer
    values: Array
    whole: bool = False
    _picks: list[tuple[float, ...]] = field(default_factory=list)
    _pool: list[Array] = field(default_factory=list)
    _last: int | None = None

    def __call__(self, history: History, proposals: Sequence[Proposal]) -> None:
        """`history` is what the proposer saw."""
        pool, forecast = self.space.pool, self._forecast(history)
        assert pool is not None
        for proposal in proposals:
            row = pool.row(proposal.candidate or "")
            ends = [proposal.why.get(name) for name in ("low", "high")]
            if None in ends and forecast is not None:
                ends = [float(forecast.low[row]), float(forecast.high[row])]
            if None not in ends:
                self._picks.append((*(float(end) for end in ends), float(self.values[row])))  # type: ignore[arg-type]

    def said(self) -> Said:
        picks = np.array(self._picks, dtype=float).reshape(-1, len(_NAMES))
        return Said(_finite(picks), _finite(np.vstack([np.zeros((0, len(_NAMES))), *self._pool])))

    def _forecast(self, history: History) -> Forecast | None:
        """Its forecast, if it is time for a look; then noted for all that is unmeasured."""
        done, forecast_of = len(history.completed), getattr(self.proposer, "forecast", None)
        soon = self._last is not None and done - self._last < EVERY
        if not self.whole or forecast_of is None or soon:
            return None
        forecast: Forecast | None = forecast_of(self.space, history)
        if forecast is not None:
            self._last, pool = done, self.space.pool
            assert pool is not None
            free = np.ones(len(pool), dtype=bool)
            free[[pool.row(trial.candidate or "") for trial in history.trials]] = False
            self._pool.append(np.column_stack([forecast.low, forecast.high, self.values])[free])
        return forecast


def coverage(all_said: Sequence[Said], spread: float) -> dict[str, Any] | None:
    """Over seeds; None where nothing was said.

    picks, pool  the share within the interval, of `n` and `n_pool` (candidate, look) in all
    …_area       the miscalibration area, 0 to 1/2, of the Gaussians that have these 90 % intervals
    …_width      the median width over `spread`, the target's sd: coverage is cheap where it is large
    """
    picks, pool = (
        np.vstack([getattr(one, part) for one in all_said]) for part in ("picks", "pool")
    )
    if not len(picks) and not len(pool):
        return None
    out: dict[str, Any] = {"level": LEVEL}
    for name, count, rows in (("picks", "n", picks), ("pool", "n_pool", pool)):
        out |= {name: _share(rows), count: len(rows)}
        out |= {f"{name}_area": _area(rows), f"{name}_width": _width(rows, spread)}
    return {**out, "picks_per_seed": [_share(one.picks) for one in all_said]}


def mean_coverage(tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each figure over tables, every table alike; and over how many."""
    out: dict[str, Any] = {"level": LEVEL}
    for name in ("picks", "pool", "picks_area", "pool_area"):
        known = [table[name] for table in tables if table[name] is not None]
        out[name] = round(float(np.mean(known)), 4) if known else None
    return out


def _finite(rows: Array) -> Array:
    return rows[np.isfinite(rows).all(axis=1)]


def _share(rows: Array) -> float | None:
    low, high, y = rows.T
    return round(float(((low <= y) & (y <= high)).mean()), 4) if len(rows) else None


def _area(rows: Array) -> float | None:
    low, high, y = rows.T
    sd = (high - low) / (2.0 * norm.ppf(0.5 + LEVEL / 2.0))
    known = sd > 0
    if not known.any():
        return None
    return round(miscalibration_area(y[known], ((low + high) / 2.0)[known], sd[known]), 4)


def _width(rows: Array, spread: float) -> float | None:
    if not len(rows) or not spread > 0 or not math.isfinite(spread):
        return None
    return round(float(np.median(rows[:, 1] - rows[:, 0])) / spread, 4)
