"""What a Gaussian process of a warped target says of the target itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from matscout.surrogate.held_out import HeldOut
from matscout.surrogate.in_units import InUnits
from matscout.surrogate.loo import leave_one_out
from matscout.surrogate.posterior import GpPosterior
from matscout.surrogate.scaling import Standard
from matscout.surrogate.warps import OutputWarp

_NODES = 16
"""Of Gauss and Hermite: exact for polynomials of degree 31, and to 1e-6 for exp(z), sd up to 2."""

BEYOND = 1.0
"""z is taken to end this many observed ranges past the data. The mean of exp(z) is made by its far
tail: without an end, a point of which nothing is known would promise any value whatever."""


@dataclass(frozen=True)
class WarpedPosterior(InUnits):
    """y = loc + scale s, s = warp⁻¹(z), and z is what `inner` is about.

    The moments of s are those of the back-transformed Gaussian, by quadrature, with z cut to
    [low, high] (see `BEYOND`). `noise_here` is the variance of a measurement in standardised s,
    averaged over the rows, where z has the same noise everywhere.
    """

    inner: GpPosterior
    warp: OutputWarp
    low: float
    high: float
    noise_here: float
    held_out: HeldOut | None

    @classmethod
    def of(
        cls, units: Standard, inner: GpPosterior, warp: OutputWarp, y: Tensor
    ) -> WarpedPosterior:
        """y (n,) physical, of the rows of `inner`."""
        s = units(y)
        z = warp(s)
        span = BEYOND * float(z.max() - z.min())
        noise = inner.noise * inner.scale**2 * (-2.0 * warp.log_slope(s)).exp()
        low, high = float(z.min()) - span, float(z.max()) + span
        bare = cls(units, inner, warp, low, high, float(noise.mean()), None)
        return replace(bare, held_out=bare._without_each(y))

    def believe(self, X: Tensor) -> WarpedPosterior:
        """Believed is the mean of z: that is the median of y."""
        if len(X) == 0:
            return self
        return replace(self, inner=self.inner.believe(X), held_out=None)

    def _inside(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return self._moments(*self.inner.mean_sd(X))

    def _moments(self, mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor]:
        """Of s, given those of z: (b,), (b,) -> (b,), (b,)."""
        nodes, weights = _HERMITE
        z = mean.unsqueeze(-1) + sd.unsqueeze(-1) * nodes  # (b, nodes)
        s = self.warp.inverse(z.clamp(self.low, self.high))
        first = (weights * s).sum(-1)
        second = (weights * (s - first.unsqueeze(-1)).square()).sum(-1)
        return first, second.clamp_min(1e-12).sqrt()

    def _without_each(self, y: Tensor) -> HeldOut:
        left = leave_one_out(self.inner)
        s = self.units(y)
        in_z = HeldOut.normal(self.warp(s), left.mean, left.sd)
        mean, sd = self._moments(left.mean, left.sd)
        density = in_z.log_density + self.warp.log_slope(s) - np.log(self.scale)
        return HeldOut(y, self.loc + self.scale * mean, self.scale * sd, density)


def _hermite() -> tuple[Tensor, Tensor]:
    """Nodes and weights of the expectation under a standard Gaussian, each (nodes,)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())


_HERMITE = _hermite()
