"""What a plain Gaussian process believes about a pool, for runs whose proposer does not say."""

from __future__ import annotations

import numpy as np
import torch

from matscout.history import History
from matscout.propose.base import Forecast, Forecaster
from matscout.propose.candidates import Candidates
from matscout.propose.observations import of_pool
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.held_out import measurement_sd
from matscout.surrogate.reach import conformal_reach

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
        unit = torch.from_numpy(candidates.unit)
        rows = [space.pool.row(t.candidate) for t in data.trials if t.candidate is not None]
        try:
            posterior = GaussianProcess(groups=candidates.groups).fit(
                unit[rows],
                torch.from_numpy(data.y).unsqueeze(-1),
                torch.from_numpy(data.yvar).unsqueeze(-1),
            )
            with torch.no_grad():
                better, spread = posterior.mean_sd(unit)
        except FitFailed:
            return None
        mean, sd = target.sign * better.numpy(), spread.numpy()
        half = conformal_reach(posterior) * measurement_sd(posterior, spread).numpy()
        nothing = np.full(len(mean), np.nan)
        return Forecast(mean, sd, mean - half, mean + half, nothing, np.ones_like(mean), "gp")


def forecaster_of(proposer: object) -> Forecaster:
    """The proposer, if it says what it believes; else a plain Gaussian process."""
    return proposer if hasattr(proposer, "forecast") else PlainForecaster()
