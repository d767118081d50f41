"""The continuous ranked probability score: one number for the error and for the uncertainty."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from matscout.surrogate.held_out import HeldOut


def crps(held: HeldOut) -> Tensor:
    """Of each held-out measurement under a Gaussian of the mean and sd that were said of it, (n,);
    in the target's unit, smaller is better.

    With z = (y - mean) / sd: sd * (z (2 Phi(z) - 1) + 2 phi(z) - 1 / √π) (Gneiting and Raftery 2007,
    equation 21). Without uncertainty it is the absolute error. It is the integral of the squared
    difference of the distribution functions, so one measurement far out costs what it is far out;
    its log density would cost the square, and one row decide for all.
    """
    z = (held.y - held.mean) / held.sd
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    spread = z * (2 * torch.special.ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi)
    return held.sd * spread
