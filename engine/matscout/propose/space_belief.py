"""What is believed of a space of parameters, and the best point to measure by that belief."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.base import Acquisition
from matscout.propose.acquisitions import acquisition
from matscout.propose.measured_cost import MeasuredCost
from matscout.propose.near import best_known
from matscout.propose.search import best_new
from matscout.propose.toolbox import SpaceTools
from matscout.propose.why import explained
from matscout.surrogate.base import FitFailed, Posterior
from matscout.trial import Proposal, Target, Trial

P = TypeVar("P", bound=Posterior)


class SpaceBelief(Generic[P]):
    """`posterior`, which grows by believing.

    `measured` are the trials that it was fitted to, `believed` (n, D) further points that it was
    told to take for measured.
    """

    def __init__(
        self,
        tools: SpaceTools,
        target: Target,
        posterior: P,
        measured: Sequence[Trial],
        believed: Tensor,
    ) -> None:
        self._tools, self._target = tools, target
        self._measured = measured
        self._X = torch.from_numpy(tools.rows(measured))
        self.posterior = posterior
        self._believe(believed)

    def propose(
        self,
        rule: str,
        place: int,
        beta: float,
        taken: set[str],
        rng: np.random.Generator,
        cost: MeasuredCost | None = None,
    ) -> Proposal | None:
        """The best new point under `rule` for the trial with id `place`, believed from now on; None if
        none was found. With `cost`, the best for what it will cost. Raises FitFailed."""
        inside = self.posterior.standardised
        known = best_known(self._tools, inside, self._measured)
        score = _weighed(acquisition(rule, place, inside, self._X, beta), cost).on(inside)
        found = best_new(self._tools, lambda rows: score(rows.unsqueeze(-2)), taken, rng, known)
        if found is None:
            return None
        row = torch.from_numpy(self._tools.encoding.rows([found]))
        require_finite(inside, row)
        chosen = _weighed(acquisition(rule, place, self.posterior, self._X, beta), cost)
        why = explained(self.posterior, chosen, row, self._target)
        self._believe(row)
        return Proposal(found, why=why if cost is None else {**why, "cost": float(cost(row))})

    def _believe(self, rows: Tensor) -> None:
        if len(rows):
            self.posterior = self.posterior.believe(rows)
            self._X = torch.cat([self._X, rows])


def _weighed(score: Acquisition, cost: MeasuredCost | None) -> Acquisition:
    return score if cost is None else cost.per_cost(score)


def require_finite(posterior: Posterior, row: Tensor) -> None:
    """FitFailed unless the belief at `row` (1, d) is a number: of scores that are none the search takes
    whichever point comes first."""
    with torch.no_grad():
        mean, sd = posterior.mean_sd(row)
    if not bool(torch.isfinite(mean).all() and torch.isfinite(sd).all()):
        raise FitFailed(f"the model is not finite (mean {float(mean)}, sd {float(sd)})")
