"""A Gaussian process for few points, under a prior that shrinks lengthscales toward one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from matscout.surrogate.kernel import AdditiveMatern
from matscout.surrogate.model import MIN_NOISE, ShrunkGP
from matscout.surrogate.noise_prior import BELIEVED, NoisePrior
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.scaling import Standard, UnitBox


@dataclass(frozen=True)
class Learned:
    """The kernel with its hyperparameters, and the variance of the noise that all rows share, of
    the standardised target (0 where every measurement came with its own)."""

    kernel: AdditiveMatern
    noise: float


@dataclass(frozen=True)
class GaussianProcess:
    """Maximum a posteriori fit of one target; a `Surrogate`.

    bounds   (2, d): what X is scaled by, physical units; without it X is taken to lie in [0, 1]
    groups   the lengthscale that each column of X uses (see `AdditiveMatern`)
    max_fit  on how many rows, spread evenly over the data, the hyperparameters are fitted at most:
             a fit takes some 30 factorisations, which is seconds beyond a few hundred rows. The
             posterior uses every row
    noise    what is held of the noise before there are data
    """

    bounds: Tensor | None = None
    groups: Sequence[int] | None = None
    max_fit: int = 300
    noise: NoisePrior = BELIEVED

    def fit(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> GpPosterior:
        """X (n, d), Y (n, 1), Yvar (n, 1) with NaN where unknown; physical units, float64.

        With every standard error known, the noise is exactly that. With some, it is that plus a
        learned noise that all share. With none, it is learned. Raises FitFailed.
        """
        return self.given(self.learn(X, Y, Yvar), X, Y, Yvar)

    def learn(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> Learned:
        """The hyperparameters that `fit` takes. Raises FitFailed."""
        box, _, inside, y, known = self._inside(X, Y, Yvar)
        kernel = AdditiveMatern(self._groups_within(box))
        return Learned(kernel, self._fit(kernel, inside, y, known))

    def given(
        self, learned: Learned, X: Tensor, Y: Tensor, Yvar: Tensor | None = None
    ) -> GpPosterior:
        """The posterior under hyperparameters that were learned, as they may have been from fewer
        rows: from some without a standard error, if there are such here."""
        box, units, inside, y, known = self._inside(X, Y, Yvar)
        noise = torch.full_like(y, learned.noise)
        if known is not None:
            noise = noise + known.nan_to_num(0.0).clamp_min(MIN_NOISE)
        here = float(noise.mean()) if len(y) else learned.noise
        return GpPosterior(learned.kernel, here, inside, y, noise, box, units)

    def _inside(
        self, X: Tensor, Y: Tensor, Yvar: Tensor | None
    ) -> tuple[UnitBox, Standard, Tensor, Tensor, Tensor | None]:
        """The scales, and with them X, y (n,) and the known variances (n,), None if none is."""
        if Y.dim() != 2 or Y.shape[1] != 1:
            raise ValueError(f"one target at a time: Y must be (n, 1), got {tuple(Y.shape)}")
        if not (torch.isfinite(X).all() and torch.isfinite(Y).all()):
            raise ValueError("X and Y must be finite")
        box, units = self._box(X), Standard.of(Y[:, 0])
        known = None if Yvar is None else units.variance(Yvar[:, 0])
        if known is not None and bool(known.isnan().all()):
            known = None
        return box, units, box(X), units(Y[:, 0]), known

    def _box(self, X: Tensor) -> UnitBox:
        if self.bounds is not None:
            return UnitBox.between(self.bounds[0], self.bounds[1])
        low = torch.zeros(X.shape[1], dtype=X.dtype)
        return UnitBox.between(low, low + 1.0)

    def _groups_within(self, box: UnitBox) -> list[int]:
        """The group of each column that varies, numbered without gaps."""
        groups = list(self.groups) if self.groups is not None else list(range(len(box.low)))
        kept = [group for group, keep in zip(groups, box.varying.tolist(), strict=True) if keep]
        number = {group: index for index, group in enumerate(dict.fromkeys(kept))}
        return [number[group] for group in kept]

    def _fit(self, kernel: AdditiveMatern, X: Tensor, y: Tensor, known: Tensor | None) -> float:
        """Fits `kernel` in place; returns the variance of the learned noise."""
        if len(y) == 0:
            return math.exp(self.noise.mean)
        if len(y) > self.max_fit:
            part = torch.linspace(0, len(y) - 1, self.max_fit, dtype=torch.float64).round().long()
            X, y, known = X[part], y[part], None if known is None else known[part]
        model = ShrunkGP(X, y, known, kernel, self.noise)
        model.fit_()
        return model.learned_noise
