"""Gaussian process proposals in a space of parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.base import Acquisition
from matscout.propose.acquisitions import acquisition
from matscout.propose.observations import Observations
from matscout.propose.pooled_fit import fit_pooled
from matscout.propose.sampling import Point, canonical
from matscout.propose.search import best_new
from matscout.propose.toolbox import SpaceTools
from matscout.propose.why import explained
from matscout.surrogate.base import Posterior
from matscout.surrogate.gp import GaussianProcess
from matscout.trial import Proposal, Target, Trial

MAX_ROWS = 1500
"""Beyond, the posterior is conditioned on the better and the newer half of so many trials each:
an exact process over more costs minutes a fit and says little more about where the optimum is."""


class SpaceModel:
    """What a Gaussian process believes about one space; grows by believing."""

    def __init__(self, tools: SpaceTools, data: Observations, target: Target) -> None:
        self._tools, self._target = tools, target
        kept = data.only(_kept(data.y))
        self._X = self._rows(kept.trials)
        surrogate = GaussianProcess(groups=tools.encoding.groups)
        self._posterior: Posterior = fit_pooled(surrogate, self._X, kept)
        self._believe(self._rows(data.believed))

    def propose(
        self, rule: str, place: int, beta: float, taken: set[str], rng: np.random.Generator
    ) -> Proposal | None:
        """The best new point under `rule`, believed from now on; None if none was found."""
        chosen = acquisition(rule, place, self._posterior, self._X, beta)
        inside = acquisition(rule, place, self._posterior.standardised, self._X, beta)
        score = inside.on(self._posterior.standardised)
        point = best_new(self._tools, lambda X: score(X.unsqueeze(-2)), taken, rng)
        return None if point is None else self._proposal(point, chosen)

    def _proposal(self, point: Point, chosen: Acquisition) -> Proposal:
        row = torch.from_numpy(self._tools.encoding.rows([point]))
        why = explained(self._posterior, chosen, row, self._target)
        self._believe(row)
        return Proposal(point, why=why)

    def _believe(self, rows: Tensor) -> None:
        self._posterior = self._posterior.believe(rows)
        self._X = torch.cat([self._X, rows])

    def _rows(self, trials: Sequence[Trial]) -> Tensor:
        points = [canonical(self._tools.space, t.params) for t in trials]
        return torch.from_numpy(self._tools.encoding.rows(points))


def _kept(y: np.ndarray) -> list[int]:
    if len(y) <= MAX_ROWS:
        return list(range(len(y)))
    half = MAX_ROWS // 2
    return sorted({*_top(y, half), *range(len(y) - half, len(y))})


def _top(y: np.ndarray, n: int) -> list[int]:
    return np.argsort(-y, kind="stable")[:n].tolist()
