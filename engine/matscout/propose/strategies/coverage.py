"""A model that is right everywhere: cover what is unlike all that was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matscout.acquire.batch.base import BatchRule
from matscout.propose.pool_process import pool_process
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.posterior import GpPosterior


@dataclass(frozen=True)
class CoverageRule:
    """`batch` picks among all free candidates, in coordinates divided by the lengthscales that a
    Gaussian process finds: columns that do not matter to the target do not count as distance. The
    score is the sd. Distance knows nothing of failures, so what is less than half as likely to work
    as the likeliest is left out while there is enough else.
    """

    batch: BatchRule

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        posterior, free = self._fit(view), torch.from_numpy(_sound(view, n))
        points = view.unit / posterior.kernel.log_lengthscale.exp()[view.candidates.groups]
        mean, sd = posterior.mean_sd(view.unit[free])
        score = sd * torch.from_numpy(view.works)[free]
        known = points[[*view.measured, *view.believed]]
        sign, rule = view.target.sign, self.batch.name
        return [
            (int(free[i]), {"rule": rule, "mean": sign * float(mean[i]), "sd": float(sd[i])})
            for i in self.batch.pick(score, points[free], known, n)
        ]

    def scores(self, view: PoolView) -> Tensor:
        return self._fit(view).mean_sd(view.unit)[1] * torch.from_numpy(view.works)

    def _fit(self, view: PoolView) -> GpPosterior:
        posterior = pool_process(view.candidates, view.data)
        return posterior.believe(view.unit[view.believed])


def _sound(view: PoolView, n: int) -> NDArray[np.intp]:
    """The free rows whose experiment is at least half as likely to work as the likeliest's; if those
    are fewer than n, the n likeliest."""
    works = view.works[view.free]
    likely = np.flatnonzero(works >= 0.5 * works.max())
    if len(likely) < n:
        likely = np.sort(np.argsort(-works, kind="stable")[:n])
    return view.free[likely]
