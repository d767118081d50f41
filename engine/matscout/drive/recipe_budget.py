"""Minutes, divided over several sweeps by what they were seen to take."""

from __future__ import annotations

import time
from collections.abc import Mapping

from matscout.drive.run import load
from matscout.runfolder import RunFolder

SPARE = 0.04
"""The share of the minutes that is kept for the card and for what nobody foresaw."""
FIRST = 0.3
"""The share of the first sweep's time that goes to reading, judging and waiting for the last trial;
from then on it is measured."""

MOST = 0.6
"""The share of a sweep's time that may go there: one trial that took long must not leave the later
sweeps with nothing to ask in."""


class Budget:
    """`seconds` for `sweeps` of about the same cost, from `began` (of the monotonic clock)."""

    def __init__(self, seconds: float, began: float, sweeps: int) -> None:
        self.seconds, self._began = (1 - SPARE) * seconds, began
        self._left = sweeps
        self._earlier = 0.0
        self._given = 0.0
        self._beside: float | None = None
        self.costs: dict[str, float] = {}

    def slot(self) -> float:
        """Seconds that the next sweep may go on asking for trials."""
        left = self.seconds - self._earlier - (time.monotonic() - self._began)
        share = left / max(self._left, 1)
        beside = FIRST * share if self._beside is None else min(self._beside, MOST * share)
        self._given = max(share - beside, 1.0)
        return self._given

    def done(self, seconds: float, costs: Mapping[str, float]) -> None:
        """A sweep of this sitting is over that took so many seconds in all, its points these."""
        self._left -= 1
        self.costs.update(costs)
        self._beside = max(seconds - self._given, 0.0)

    def known(self, seconds: float, costs: Mapping[str, float]) -> None:
        """The same of a sweep that was over before this sitting began."""
        self._left -= 1
        self.costs.update(costs)
        self._earlier += seconds

    def before(self, seconds: float) -> None:
        """So many seconds of a sweep that is not over went by in earlier sittings."""
        self._earlier += seconds

    def seconds_in_all(self) -> float:
        return self._earlier + time.monotonic() - self._began


def spent_before(folder: RunFolder) -> float:
    """Seconds that the trials of a sweep have taken so far, side by side."""
    history, spec = load(folder)
    return sum(t.cost_s for t in history.trials) / max(spec.policy.slots, 1)
