"""Gaussian process proposals in a space of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.base import Acquisition
from matscout.history import History
from matscout.propose.acquisitions import acquisition
from matscout.propose.measured_cost import MeasuredCost
from matscout.propose.near import best_known
from matscout.propose.observations import Observations, of_space
from matscout.propose.pooled_fit import fit_pooled
from matscout.propose.refit import learned_once, settled
from matscout.propose.search import best_new
from matscout.propose.toolbox import SpaceTools
from matscout.propose.why import explained
from matscout.surrogate.base import FitFailed, Posterior
from matscout.surrogate.gp import GaussianProcess, Learned
from matscout.surrogate.noise_prior import BELIEVED, NoisePrior
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Proposal, Target, Trial

MAX_ROWS = 1500
"""Beyond, the posterior is conditioned on the better and the newer half of so many trials each:
an exact process over more costs minutes a fit and says little more about where the optimum is."""


Read = Callable[[History, Target, int | None], Observations]


class SpaceModel:
    """What a Gaussian process believes about one space: `posterior`, which grows by believing.

    With a plain Matern-5/2 in place of the sum of kernel.py, and less noise expected (a log variance
    of -4), the regret was 7.2 [4.3, 12.5] times as large after 50 trials on Hartmann6, 1.6 [1.4, 1.9]
    after 40 on Ackley5 and 0.5 [0.3, 0.7] after 20 on Branin (8 seeds, paired).
    """

    def __init__(
        self,
        tools: SpaceTools,
        history: History,
        target: Target,
        read: Read = of_space,
        noise: NoisePrior = BELIEVED,
    ) -> None:
        """`read` makes rows of the history: of_space or of_pool (observations.py)."""
        self._tools, self._target, self._noise = tools, target, noise
        data = read(history, target, None)
        learned = self._learned(data, history, read)
        kept = data.only(kept_rows(data.y))
        self._measured, self._X = kept.trials, self._rows(kept.trials)
        surrogate = GaussianProcess(groups=tools.encoding.groups, noise=noise)
        self.posterior: GpPosterior = fit_pooled(surrogate, self._X, kept, learned)
        self._believe(self._rows(data.believed))

    def propose(
        self,
        rule: str,
        place: int,
        beta: float,
        taken: set[str],
        rng: np.random.Generator,
        cost: MeasuredCost | None = None,
    ) -> Proposal | None:
        """The best new point under `rule`, believed from now on; None if none was found. With `cost`,
        the best for what it will cost."""
        proposal = best_proposal(
            self._tools,
            self.posterior,
            self._X,
            self._measured,
            self._target,
            rule,
            place,
            beta,
            taken,
            rng,
            cost,
        )
        if proposal is not None:
            self._believe(torch.from_numpy(self._tools.encoding.rows([proposal.params])))
        return proposal

    def _believe(self, rows: Tensor) -> None:
        self.posterior = self.posterior.believe(rows)
        self._X = torch.cat([self._X, rows])

    def _learned(self, data: Observations, history: History, read: Read) -> Learned:
        """Of the first trials that ended (refit.py); of all, where `data` has news of the noise."""
        ended = max((t.finished + 1 for t in history.finished if t.finished is not None), default=0)
        if settled(ended) < ended:
            first = read(history, self._target, settled(ended))
            unknown = [bool(np.isnan(part.singles.yvar).any()) for part in (first, data)]
            if unknown[0] == unknown[1]:
                data = first
        rows = self._rows(data.trials)
        return learned_once(self._tools.encoding.groups, rows, data, self._noise)

    def _rows(self, trials: Sequence[Trial]) -> Tensor:
        return torch.from_numpy(self._tools.rows(trials))


def best_proposal(
    tools: SpaceTools,
    posterior: Posterior,
    X: Tensor,
    measured: Sequence[Trial],
    target: Target,
    rule: str,
    place: int,
    beta: float,
    taken: set[str],
    rng: np.random.Generator,
    cost: MeasuredCost | None = None,
) -> Proposal | None:
    """The best new point under `rule` for the trial with id `place`; None if none was found. X (n, D)
    are the points that `posterior` was measured or believed at, `measured` the trials of the former.
    Raises FitFailed."""
    inside = posterior.standardised
    known = best_known(tools, inside, measured)
    score = _weighed(acquisition(rule, place, inside, X, beta), cost).on(inside)
    point = best_new(tools, lambda rows: score(rows.unsqueeze(-2)), taken, rng, known)
    if point is None:
        return None
    row = torch.from_numpy(tools.encoding.rows([point]))
    require_finite(inside, row)
    chosen = _weighed(acquisition(rule, place, posterior, X, beta), cost)
    why = explained(posterior, chosen, row, target)
    return Proposal(point, why=why if cost is None else {**why, "cost": float(cost(row))})


def _weighed(score: Acquisition, cost: MeasuredCost | None) -> Acquisition:
    return score if cost is None else cost.per_cost(score)


def require_finite(posterior: Posterior, row: Tensor) -> None:
    """FitFailed unless the belief at `row` (1, d) is a number: of scores that are none the search takes
    whichever point comes first."""
    with torch.no_grad():
        mean, sd = posterior.mean_sd(row)
    if not bool(torch.isfinite(mean).all() and torch.isfinite(sd).all()):
        raise FitFailed(f"the model is not finite (mean {float(mean)}, sd {float(sd)})")


def kept_rows(y: np.ndarray) -> list[int]:
    """Which of the rows, whose values are y (n,), a model is conditioned on."""
    if len(y) <= MAX_ROWS:
        return list(range(len(y)))
    half = MAX_ROWS // 2
    return sorted({*_top(y, half), *range(len(y) - half, len(y))})


def _top(y: np.ndarray, n: int) -> list[int]:
    return np.argsort(-y, kind="stable")[:n].tolist()
