"""This run's Gaussian process on top of what earlier runs expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matscout.propose.observations import Observations, Singles
from matscout.propose.pooled_fit import fit_pooled
from matscout.propose.transfer_prior import PriorBelief
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.in_units import InUnits
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.scaling import Standard

STEEPEST = 2.0
"""Of the slope: an earlier run is not blown up to explain more than it said."""


@dataclass(frozen=True)
class Expected:
    """m(x) = slope Σ_i w_i μ_i(x): what earlier runs expect, in this run's standardised unit."""

    priors: tuple[PriorBelief, ...]
    weights: tuple[float, ...]
    slope: float = 1.0

    def __call__(self, X: Tensor) -> Tensor:
        """(…, D) -> (…)."""
        if not self.priors:
            return torch.zeros(X.shape[:-1], dtype=X.dtype)
        means = [w * p.mean_sd(X)[0] for p, w in zip(self.priors, self.weights, strict=True)]
        return self.slope * torch.stack(means).sum(0)


@dataclass(frozen=True)
class OnTop(InUnits):
    """A belief: f = m + g, where m is `expected` and g a Gaussian process of what it left unexplained.

    RGPE sums the models themselves with these weights. Its mean at a measured point is then w_t of what
    was measured there and for the rest what earlier runs thought of it: so a search goes back to their
    optimum after it was found wanting. Here a measured point is known, whatever the weights.
    """

    rest: GpPosterior
    expected: Expected

    @property
    def noise_here(self) -> float:
        """As `GpPosterior` has it: the variance of a measurement, standardised."""
        return self.rest.noise_here * self.rest.scale**2

    def _inside(self, X: Tensor) -> tuple[Tensor, Tensor]:
        mean, sd = self.rest.mean_sd(X)
        return mean + self.expected(X), sd

    def believe(self, X: Tensor) -> OnTop:
        return replace(self, rest=self.rest.believe(X))


def on_top(
    process: GaussianProcess,
    X: Tensor,
    data: Observations,
    priors: Sequence[PriorBelief],
    weights: NDArray[np.float64],
    units: Standard,
) -> OnTop:
    """X (n, D) are the rows of `data`, `weights` those of `ranking_weights`, `units` what the target
    is standardised by. Raises FitFailed.

    The slope is that of y on m, drawn toward 1 as by as many points as the weights have in all: a
    target that follows them turned upside down gets none.
    """
    used = [i for i, weight in enumerate(weights[:-1]) if weight > 0]
    expected = Expected(tuple(priors[i] for i in used), tuple(float(weights[i]) for i in used))
    y = data.y / units.scale - units.loc / units.scale
    with torch.no_grad():
        said = expected(X).numpy()
    if used:
        expected = replace(expected, slope=_slope(said, y, float(sum(expected.weights))))
    shift, singles = expected.slope * said, data.singles
    alone = singles.y / units.scale - units.loc / units.scale - shift[singles.row]
    rest = replace(
        data,
        y=y - shift,
        yvar=data.yvar / units.scale / units.scale,
        singles=Singles(singles.row, alone, singles.yvar / units.scale / units.scale),
    )
    return OnTop(units, fit_pooled(process, X, rest), expected)


def _slope(said: NDArray[np.float64], y: NDArray[np.float64], weight: float) -> float:
    """Ridge regression toward 1, within [0, STEEPEST]."""
    said, y = said - said.mean(), y - y.mean()
    return min(max((float(said @ y) + weight) / (float(said @ said) + weight), 0.0), STEEPEST)
