"""Several posteriors about one target as one: a mixture, known by its first two moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from matscout.surrogate.in_units import InUnits
from matscout.surrogate.scaling import Standard


@dataclass(frozen=True)
class MixturePosterior(InUnits):
    """mean = sum w m and variance = sum w (s² + m²) - mean², the law of total variance.

    weights  by name, they sum to 1; a surrogate that has none is not among `parts`
    parts    the posteriors, by name
    data     what the target was standardised by (`units` is 1 once it is `standardised`)
    """

    weights: Mapping[str, float]
    parts: Mapping[str, Any]
    data: Standard

    @classmethod
    def of(
        cls, parts: Mapping[str, Any], weights: Mapping[str, float], data: Standard
    ) -> MixturePosterior:
        """Weights are scaled to the sum of 1."""
        total = sum(weights[name] for name in parts)
        shares = {name: weights[name] / total for name in parts}
        return cls(data, shares, parts, data)

    @property
    def noise_here(self) -> float:
        """The variance of a new measurement about its noise-free value, standardised."""
        return sum(
            w
            * float(getattr(self.parts[name], "noise_here", 0.0))
            * (self.parts[name].scale / self.data.scale) ** 2
            for name, w in self.weights.items()
        )

    def believe(self, X: Tensor) -> MixturePosterior:
        """Each part believes its own mean: the mean of the mixture stays where theirs do."""
        if len(X) == 0:
            return self
        return replace(self, parts={name: part.believe(X) for name, part in self.parts.items()})

    def members(self, X: Tensor) -> Tensor:
        """The parts' means in physical units: (b, d) -> (k, b)."""
        means, _ = self._parts_inside(X)
        return self.loc + self.scale * means

    def _inside(self, X: Tensor) -> tuple[Tensor, Tensor]:
        means, sds = self._parts_inside(X)
        w = torch.tensor([self.weights[name] for name in self.parts], dtype=means.dtype)[:, None]
        mean = (w * means).sum(0)
        # About the mean, not as E[m²] - mean²: nothing cancels.
        variance = (w * (sds.square() + (means - mean).square())).sum(0)
        return mean, variance.sqrt()

    def _parts_inside(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """(b, d) -> (k, b), (k, b), standardised by `data` whatever a part was standardised by."""
        means, sds = [], []
        for part in self.parts.values():
            mean, sd = part.standardised.mean_sd(X)
            ratio = part.scale / self.data.scale
            shift = part.loc / self.data.scale - self.data.loc / self.data.scale
            means.append(shift + ratio * mean)
            sds.append(ratio * sd)
        return torch.stack(means), torch.stack(sds)
