"""Acquisition functions by the name they have in a config."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from matscout.acquire.base import Acquisition
from matscout.acquire.confidence_bound import ConfidenceBound
from matscout.acquire.log_ei import LogExpectedImprovement
from matscout.acquire.probability_beyond import LogProbabilityBeyond
from matscout.acquire.sd import StandardDeviation
from matscout.acquire.straddle import Straddle
from matscout.surrogate.base import Posterior

ALTERNATE = "alternate"
"""log_ei on odd trials and lcb on even ones: improvement alone stays around the incumbent."""


def incumbent(posterior: Posterior, X: Tensor) -> float:
    """The best posterior mean at the rows of X (n, d): what there is to improve on.

    Not the best value observed, which is the luckiest draw of the noise.
    """
    with torch.no_grad():
        mean, _ = posterior.mean_sd(X)
    return float(mean.max())


NAMED: dict[str, Callable[[Posterior, Tensor, float], Acquisition]] = {
    "lcb": lambda posterior, X, beta: ConfidenceBound(beta),
    "mean": lambda posterior, X, beta: ConfidenceBound(0.0),
    "log_ei": lambda posterior, X, beta: LogExpectedImprovement(incumbent(posterior, X)),
    "sd": lambda posterior, X, beta: StandardDeviation(),
}

LIMITED: dict[str, Callable[[float], Acquisition]] = {
    "beyond": LogProbabilityBeyond,
    "straddle": Straddle,
}
"""Those that ask on which side of a limit a point lies."""


def acquisition(
    name: str, place: int, posterior: Posterior, X: Tensor, beta: float, limit: float | None = None
) -> Acquisition:
    """`name` for the trial with id `place`; X (n, d) are the points measured or believed."""
    if name == ALTERNATE:
        name = "log_ei" if place % 2 else "lcb"
    if name in LIMITED:
        assert limit is not None
        return LIMITED[name](limit)
    return NAMED[name](posterior, X, beta)
