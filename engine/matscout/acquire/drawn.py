"""Joint draws in the shape of a BoTorch model, so that BoTorch's own formulae can score them."""

from __future__ import annotations

from typing import Any

import torch
from botorch.models.model import Model
from torch import Tensor, nn


class Draws:
    """What a Monte Carlo acquisition function reads of a posterior."""

    def __init__(self, values: Tensor) -> None:
        self.values = values


class Drawn(Model):
    """`values` (s, n, m): s joint draws of m targets at n points.

    A point is named by its row: X (…, q, 1) holds row numbers, so that a candidate's draws are
    looked up and hang together with those of every other point.
    """

    batch_shape = torch.Size([])

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = values

    @property
    def num_outputs(self) -> int:
        return int(self.values.shape[-1])

    def posterior(self, X: Tensor, *_: Any, **__: Any) -> Draws:
        return Draws(self.values[:, X.squeeze(-1).long()])  # (s, …, q, m)


class AsDrawn(nn.Module):
    """The sampler that hands out what was drawn."""

    def __init__(self, draws: int) -> None:
        super().__init__()
        self.sample_shape = torch.Size([draws])

    def forward(self, posterior: Draws) -> Tensor:
        return posterior.values


def rows(n: int) -> Tensor:
    """The name of each of n points, (n, q=1, 1)."""
    return torch.arange(n, dtype=torch.float64).reshape(n, 1, 1)
