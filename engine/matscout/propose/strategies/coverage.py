"""A model that is right everywhere: cover what is unlike all that was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from linear_operator.utils.cholesky import psd_safe_cholesky
from linear_operator.utils.errors import NanError, NotPSDError
from numpy.typing import NDArray
from torch import Tensor

from matscout.acquire.batch.base import BatchRule
from matscout.propose.pool_process import pool_process
from matscout.propose.strategies.view import Pick, PoolView
from matscout.surrogate.base import FitFailed
from matscout.surrogate.posterior import GpPosterior


def _by_lengthscale(view: PoolView, posterior: GpPosterior) -> Tensor:
    return view.unit / posterior.kernel.log_lengthscale.exp()[view.candidates.groups]


_LANDMARKS = 200


def kernel_features(view: PoolView, posterior: GpPosterior) -> Tensor:
    """(n_candidates, m) in which the process is a linear model: k(x, Z) L⁻ᵀ with k(Z, Z) = L L' at
    m candidates Z drawn from the pool (Nyström; Williams and Seeger 2001). What a network's last
    layer is to the network."""
    rng = np.random.default_rng(np.random.SeedSequence(view.seed, spawn_key=(4,)))
    unique = torch.unique(view.unit, dim=0)
    some = np.sort(rng.choice(len(unique), min(_LANDMARKS, len(unique)), replace=False))
    marks, kernel = posterior.box(unique[some]), posterior.kernel
    try:
        with torch.no_grad():
            level = 1e-8 * kernel.prior_variance * torch.eye(len(marks), dtype=marks.dtype)
            factor = psd_safe_cholesky(kernel.forward(marks, marks) + level)
            cross = kernel.forward(marks, posterior.box(view.unit))
            return torch.linalg.solve_triangular(factor, cross, upper=False).mT.contiguous()
    except (NotPSDError, NanError) as error:
        raise FitFailed(str(error)) from error


@dataclass(frozen=True)
class CoverageRule:
    """`batch` picks among all free candidates, in coordinates divided by the lengthscales that a
    Gaussian process finds: columns that do not matter to the target do not count as distance. The
    score is the sd. Distance knows nothing of failures, so what is less than half as likely to work
    as the likeliest is left out while there is enough else.

    points  other coordinates, for rules that take them for the features of a linear model
    """

    batch: BatchRule
    points: Callable[[PoolView, GpPosterior], Tensor] = _by_lengthscale

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        posterior, free = self._fit(view), torch.from_numpy(sound(view, n))
        points = self.points(view, posterior)
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


def sound(view: PoolView, n: int) -> NDArray[np.intp]:
    """The free rows whose experiment is at least half as likely to work as the likeliest's; if those
    are fewer than n, the n likeliest."""
    works = view.works[view.free]
    likely = np.flatnonzero(works >= 0.5 * works.max())
    if len(likely) < n:
        likely = np.sort(np.argsort(-works, kind="stable")[:n])
    return view.free[likely]
