"""Gradient surgery for several tasks: PCGrad (Yu et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def projected(gradients: Sequence[Tensor], generator: np.random.Generator) -> Tensor:
    """The sum of the tasks' flat gradients, each (p,), conflicts taken out first: algorithm 1.

    Each gradient g_i goes through the others in random order; where g_i . g_j < 0 it loses its part
    along g_j, g_i - (g_i . g_j / |g_j|²) g_j, g_j being as it was given.
    """
    total = torch.zeros_like(gradients[0])
    for i, own in enumerate(gradients):
        kept = own.clone()
        for j in generator.permutation(len(gradients)):
            other = gradients[j]
            along = torch.dot(kept, other)
            if j != i and along < 0:
                kept -= along / torch.dot(other, other) * other
        total += kept
    return total


def flat(gradients: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensor:
    """One vector; a parameter that a loss does not reach counts as zeros."""
    return torch.cat(
        [
            torch.zeros_like(p).reshape(-1) if g is None else g.reshape(-1)
            for g, p in zip(gradients, like, strict=True)
        ]
    )


def put(gradient: Tensor, parameters: Sequence[Tensor]) -> None:
    """Make a flat vector the `.grad` of the parameters."""
    ends = np.cumsum([p.numel() for p in parameters])[:-1].tolist()
    for parameter, part in zip(parameters, gradient.tensor_split(ends), strict=True):
        parameter.grad = part.reshape(parameter.shape).clone()
