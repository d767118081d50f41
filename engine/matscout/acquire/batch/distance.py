"""Squared Euclidean distances for a hundred thousand points, in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 4_000_000
"""Numbers held at once: 32 MB."""


def to_one(points: Tensor, centre: Tensor) -> Tensor:
    """(b, p), (p,) -> (b,), by differences: exactly 0 for a copy."""
    rows = max(_CHUNK // max(points.shape[1], 1), 1)
    return torch.cat([(part - centre).square().sum(-1) for part in points.split(rows)])


def to_nearest(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """(b, p), (m, p) -> squared distances (b,) and the nearest centre's row (b,).

    inf and row 0 without centres. Of centres at equal distance, the lowest row, up to rounding.
    """
    if len(centres) == 0:
        return torch.full_like(points[:, 0], torch.inf), torch.zeros(len(points), dtype=torch.long)
    # Products find which centre is nearest: fast, and after centring exact but for rounding.
    # The distance itself is a difference again, so that a copy is at 0 and not at 1e-8.
    origin = centres.mean(0)
    shifted = centres - origin
    length = shifted.square().sum(-1)
    squares, nearest = [], []
    for part in points.split(max(_CHUNK // max(len(centres), points.shape[1]), 1)):
        row = torch.addmm(length, part - origin, shifted.mT, alpha=-2.0).argmin(-1)
        nearest.append(row)
        squares.append((part - centres[row]).square().sum(-1))
    return torch.cat(squares), torch.cat(nearest)
