"""Gaussian process proposals in a space of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from matscout.history import History
from matscout.propose.observations import Observations, of_space
from matscout.propose.pooled_fit import fit_pooled
from matscout.propose.refit import learned_once, settled
from matscout.propose.space_belief import SpaceBelief
from matscout.propose.toolbox import SpaceTools
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.noise_prior import BELIEVED, NoisePrior
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Target, Trial

MAX_ROWS = 1500
"""Beyond, the posterior is conditioned on the better and the newer half of so many trials each:
an exact process over more costs minutes a fit and says little more about where the optimum is."""


Read = Callable[[History, Target, int | None], Observations]


class SpaceModel(SpaceBelief[GpPosterior]):
    """What a Gaussian process believes about one space.

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
        data = read(history, target, None)
        heard = _heard(history, target, data, read)
        learned = learned_once(tools.encoding.groups, _rows(tools, heard.trials), heard, noise)
        kept = data.only(kept_rows(data.y))
        process = GaussianProcess(groups=tools.encoding.groups, noise=noise)
        posterior = fit_pooled(process, _rows(tools, kept.trials), kept, learned)
        super().__init__(tools, target, posterior, kept.trials, _rows(tools, data.believed))


def _heard(history: History, target: Target, data: Observations, read: Read) -> Observations:
    """What hyperparameters are learned from: the first trials that ended (refit.py); all of `data`
    where it has news of the noise."""
    ended = max((t.finished + 1 for t in history.finished if t.finished is not None), default=0)
    if settled(ended) < ended:
        first = read(history, target, settled(ended))
        unknown = [bool(np.isnan(part.singles.yvar).any()) for part in (first, data)]
        if unknown[0] == unknown[1]:
            return first
    return data


def _rows(tools: SpaceTools, trials: Sequence[Trial]) -> Tensor:
    return torch.from_numpy(tools.rows(trials))


def kept_rows(y: np.ndarray) -> list[int]:
    """Which of the rows, whose values are y (n,), a model is conditioned on."""
    if len(y) <= MAX_ROWS:
        return list(range(len(y)))
    half = MAX_ROWS // 2
    return sorted({*_top(y, half), *range(len(y) - half, len(y))})


def _top(y: np.ndarray, n: int) -> list[int]:
    return np.argsort(-y, kind="stable")[:n].tolist()
