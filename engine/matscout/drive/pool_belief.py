"""What a plain Gaussian process believes about a pool, for runs whose proposer does not say."""

from __future__ import annotations

from matscout.history import History
from matscout.propose.base import Forecast, Forecaster
from matscout.propose.candidates import Candidates
from matscout.propose.observations import of_pool
from matscout.propose.pool_process import pool_forecast
from matscout.space import Space
from matscout.surrogate.base import FitFailed

_LEAST_DATA = 3
"""Values below which a fitted Gaussian process only repeats its prior."""


class PlainForecaster:
    """A `Forecaster` of its own: the Gaussian process of surrogate/gp.py on the pool's features."""

    def forecast(self, space: Space, history: History) -> Forecast | None:
        """None without a pool, a feature that varies, or data enough."""
        if space.pool is None or not space.pool.features:
            return None
        candidates, target = Candidates(space.pool), history.targets[0]
        data = of_pool(history, target)
        if len(data.y) < _LEAST_DATA or not candidates.unit.shape[1]:
            return None
        try:
            return pool_forecast(candidates, data, target, "gp")
        except FitFailed:
            return None


def forecaster_of(proposer: object) -> Forecaster:
    """The proposer, if it says what it believes; else a plain Gaussian process."""
    return proposer if hasattr(proposer, "forecast") else PlainForecaster()
