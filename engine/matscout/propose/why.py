"""What a person is told about a proposal that a surrogate made."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from matscout.acquire.base import Acquisition
from matscout.surrogate.base import Posterior
from matscout.surrogate.held_out import measurement_sd
from matscout.trial import Target, Value


def explained(
    posterior: Posterior,
    chosen: Acquisition,
    row: Tensor,
    target: Target,
    reach: float | None = None,
) -> dict[str, Value]:
    """Mean, sd and acquisition value at `row` (1, d), in the target's units and direction; with
    `reach` also the 90 % interval of a new measurement, so many of its sd to either side.

    The posterior is about sign * value; a confidence bound turns back with the target, so that the
    one of a minimised target reads as the lower bound that it is. Numbers too large to write down
    are left out.
    """
    with torch.no_grad():
        mean, sd = posterior.mean_sd(row)
        value = float(chosen(posterior, row.unsqueeze(-2)))
    if chosen.name == "lcb":
        value *= target.sign
    numbers = {"mean": target.sign * float(mean), "sd": float(sd), "acquisition": value}
    if reach is not None:
        wide = reach * float(measurement_sd(posterior, sd))
        numbers |= {"low": numbers["mean"] - wide, "high": numbers["mean"] + wide}
    finite: dict[str, Value] = {k: v for k, v in numbers.items() if math.isfinite(v)}
    return {"rule": chosen.name, **finite}
