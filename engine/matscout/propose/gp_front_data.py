"""What a Gaussian process learns several targets, limits and failures from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.propose.observations import Observations, Singles, of_pool, with_pruned
from matscout.propose.refit import settled
from matscout.trial import State, Target

Array = NDArray[np.float64]

WORKS = Target("works", "max")

_BROKE = (State.FAILED, State.INVALID)


def of_front(history: History, target: Target, ended: int | None = None) -> Observations:
    """As `of_pool`; a pruned trial counts as `of_space` has it. Nothing is clipped: what is bad in
    one target may be an end of the front."""
    return with_pruned(of_pool(history, target, ended), target, ended)


def of_works(history: History, target: Target, ended: int | None = None) -> Observations:
    """1 where an experiment gave values and -1 where it failed or gave none; of what else became of
    a trial nothing is known."""
    over = [
        t
        for t in history.finished
        if t.state in (State.COMPLETE, *_BROKE)
        and (ended is None or (t.finished is not None and t.finished < ended))
    ]
    y = np.array([-1.0 if t.state in _BROKE else 1.0 for t in over])
    unknown = np.full(len(y), np.nan)
    return Observations(over, y, unknown, history.pending, Singles(np.arange(len(y)), y, unknown))


@dataclass(frozen=True)
class OfBound:
    """Reads how well one bound of a limit is kept: at 0 and above it is.

    `sign` is 1 for an upper bound. What is beyond is taken as sign(c) log(1 + |c|), in the unit of
    its typical size (Eriksson and Poloczek 2021, SCBO): what counts is the side of 0, and violations
    span decades.
    """

    name: str
    bound: float
    sign: float

    def __call__(self, history: History, target: Target, ended: int | None = None) -> Observations:
        raw = Target(self.name, "max")  # `y` are then the values themselves
        data = of_pool(history, raw, ended)
        over = max((t.finished + 1 for t in history.finished if t.finished is not None), default=0)
        # Not of each new result: what is learned once would have to be learned anew.
        unit = self._unit(of_pool(history, raw, settled(over)).y)
        y, yvar = self._kept(data.y, data.yvar, unit)
        alone = data.singles
        singles = Singles(alone.row, *self._kept(alone.y, alone.yvar, unit))
        return replace(data, y=y, yvar=yvar, singles=singles)

    def _unit(self, values: Array) -> float:
        """Another one for values that all lie on the bound, or too far from it for a float."""
        with np.errstate(over="ignore"):
            size = np.abs(values - self.bound)
        size = size[np.isfinite(size) & (size > 0)]
        return float(np.median(size)) if len(size) else 1.0

    def _kept(self, values: Array, yvar: Array, unit: float) -> tuple[Array, Array]:
        with np.errstate(over="ignore"):
            slack = self.sign * (self.bound - values)
            size = np.minimum(np.abs(slack) / unit, 1e300)
            slope = 1.0 / (unit * (1.0 + size))  # of the logarithm: what an error becomes
            spread = np.square(slope * np.sqrt(yvar))
        spread[~(np.isfinite(spread) & (spread > 0))] = math.nan
        return np.copysign(np.log1p(size), slack), spread
