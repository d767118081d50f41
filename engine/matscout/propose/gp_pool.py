"""Gaussian process proposals from a pool of candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.base import Acquisition
from matscout.propose.acquisitions import acquisition
from matscout.propose.candidates import Candidates
from matscout.propose.observations import Observations
from matscout.propose.why import explained
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Proposal, Target, Trial

_BLOCK = 1024
"""Candidates whose score is brought up to date at a time."""


class PoolModel:
    """What a Gaussian process believes about the candidates of one pool.

    Inputs are min-max scaled over the whole pool: it is known beforehand, measured or not. The
    pool is scored in full once; believing a point only lowers scores (`falls_with_sd`), so for the
    next pick only those are computed again that might still be the highest.
    """

    def __init__(self, candidates: Candidates, data: Observations, target: Target) -> None:
        self._candidates, self._target = candidates, target
        self._unit = torch.from_numpy(candidates.unit)
        self._X = self._of(data.trials)
        self._posterior: GpPosterior = GaussianProcess().fit(
            self._X,
            torch.from_numpy(data.y).unsqueeze(-1),
            torch.from_numpy(data.yvar).unsqueeze(-1),
        )
        self._unbelieving, self._measured = self._posterior, self._X
        self._at_most: dict[str, Tensor] = {}
        self._believe(self._of(data.believed))

    def propose(
        self, rule: str, place: int, beta: float, free: np.ndarray
    ) -> tuple[int, Proposal] | None:
        """The free candidate of highest score and its row, believed from now on; None if none is
        free. `free` (n_candidates,) says which may be proposed.
        """
        if not free.any():
            return None
        inside = self._posterior.standardised
        score = acquisition(rule, place, inside, self._X, beta)
        if score.name not in self._at_most:
            first = self._unbelieving.standardised
            bound = acquisition(rule, place, first, self._measured, beta)
            self._at_most[score.name] = _scored(bound, first, self._unit)
        row = self._argmax(score, inside, torch.from_numpy(np.flatnonzero(free)))
        chosen = acquisition(rule, place, self._posterior, self._X, beta)
        picked = self._unit[row : row + 1]
        why = explained(self._posterior, chosen, picked, self._target)
        self._believe(picked)
        return row, self._candidates.proposal(row, why)

    def _argmax(self, score: Acquisition, belief: GpPosterior, rows: Tensor) -> int:
        """The row of highest score among `rows`, the first of equals in the order of the bounds."""
        at_most = self._at_most[score.name]
        order = rows[torch.argsort(at_most[rows], descending=True, stable=True)]
        if belief.X is self._unbelieving.X:  # nothing believed yet: the bounds are the scores
            return int(order[0])
        best, winner = -torch.inf, int(order[0])
        for block in order.split(_BLOCK if score.falls_with_sd else len(order)):
            if score.falls_with_sd and best >= float(at_most[block[0]]):
                break
            exact = _scored(score, belief, self._unit[block])
            at_most[block] = exact
            top = int(exact.argmax())
            if float(exact[top]) > best:
                best, winner = float(exact[top]), int(block[top])
        return winner

    def _believe(self, rows: Tensor) -> None:
        self._posterior = self._posterior.believe(rows)
        self._X = torch.cat([self._X, rows])

    def _of(self, trials: Sequence[Trial]) -> Tensor:
        pool = self._candidates.pool
        rows = [pool.row(t.candidate) for t in trials if t.candidate in pool]  # type: ignore[arg-type]
        return self._unit[rows]


def _scored(score: Acquisition, belief: GpPosterior, X: Tensor) -> Tensor:
    with torch.no_grad():
        return score(belief, X.unsqueeze(-2))
