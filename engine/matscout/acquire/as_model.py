"""A belief in the shape of a BoTorch model, so that BoTorch's own formulae can score it."""

from __future__ import annotations

from typing import Any

import torch
from botorch.models.model import Model
from torch import Tensor

from matscout.acquire.base import Belief


def exact(number: float) -> Tensor:
    """For a formula's constant: BoTorch would store a Python float in single precision."""
    return torch.tensor(number, dtype=torch.float64)


class Marginals:
    """The two moments that analytic acquisition functions read, each (…, q, 1)."""

    def __init__(self, mean: Tensor, sd: Tensor) -> None:
        self.mean = mean.unsqueeze(-1)
        self.variance = sd.square().unsqueeze(-1)


class AsModel(Model):
    """Standardised: BoTorch cuts variances at 1e-12, which must not depend on the target's unit."""

    num_outputs = 1
    batch_shape = torch.Size([])

    def __init__(self, belief: Belief) -> None:
        super().__init__()
        self.belief = belief.standardised

    def posterior(self, X: Tensor, *_: Any, **__: Any) -> Marginals:
        return Marginals(*self.belief.mean_sd(X))
