"""How well a surrogate says what it has not seen: densities of held-out measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matscout.surrogate.base import Posterior, Surrogate
from matscout.surrogate.in_units import check_data
from matscout.surrogate.loo import leave_one_out
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.rows import fold_count, fold_of


@dataclass(frozen=True)
class HeldOut:
    """What was said of each of n measurements by a fit without it; physical units, each (n,).

    `sd` is that of a measurement, noise and all. `log_density` is in nats, of y itself: densities
    of surrogates that warp y hold the Jacobian, so that all of one data set can be compared.
    """

    y: Tensor
    mean: Tensor
    sd: Tensor
    log_density: Tensor

    @classmethod
    def normal(cls, y: Tensor, mean: Tensor, sd: Tensor) -> HeldOut:
        """With the Gaussian density of these moments."""
        z = (y - mean) / sd
        return cls(y, mean, sd, -0.5 * z.square() - sd.log() - 0.5 * math.log(2 * math.pi))


def measurement_sd(posterior: Posterior, sd: Tensor) -> Tensor:
    """The sd of a new measurement where the noise-free value has `sd`; physical units.

    Posteriors of this package say the noise that they expect as `noise_here`, a variance of the
    standardised target. One that does not is taken to expect none.
    """
    noise = float(getattr(posterior, "noise_here", 0.0))
    # hypot: squares of values near the smallest or largest float would be lost.
    return torch.hypot(sd, torch.full_like(sd, posterior.scale * math.sqrt(noise)))


def held_out(
    surrogate: Surrogate, posterior: Any, X: Tensor, Y: Tensor, Yvar: Tensor | None = None
) -> HeldOut:
    """Of each row of Y (n, 1), by the cheapest honest way: `posterior` is the fit of all rows.

    A Gaussian process is left out of row by row in closed form; a posterior that kept what it said
    of held-out rows while it was fitted (`held_out`) is asked; all others are refitted fold by fold.
    """
    if isinstance(posterior, GpPosterior):
        return of_process(posterior, Y[:, 0])
    kept = getattr(posterior, "held_out", None)
    return kept if isinstance(kept, HeldOut) else by_refits(surrogate, X, Y, Yvar)


def of_process(posterior: GpPosterior, y: Tensor) -> HeldOut:
    """Row by row in closed form; y (n,) physical, of the rows of `posterior`."""
    left = leave_one_out(posterior)
    return HeldOut.normal(y, left.mean, left.sd)


def by_refits(
    surrogate: Surrogate,
    X: Tensor,
    Y: Tensor,
    Yvar: Tensor | None = None,
    folds: int | None = None,
) -> HeldOut:
    """By k-fold cross-validation: k fits (see `rows.fold_count`), each without a fold."""
    check_data(X, Y)
    y, mean, sd = Y[:, 0], torch.empty_like(Y[:, 0]), torch.empty_like(Y[:, 0])
    fold = fold_of(X, y, folds or fold_count(len(y)))
    for number in np.unique(fold):
        out = torch.from_numpy(fold == number)
        known = None if Yvar is None else Yvar[~out]
        part = surrogate.fit(X[~out], Y[~out], known)
        with torch.no_grad():
            mean[out], latent = part.mean_sd(X[out])
        sd[out] = measurement_sd(part, latent)
    return HeldOut.normal(y, mean, sd)
