"""What a model makes of one earlier run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matscout.propose.prior_run import PriorRun
from matscout.propose.sampling import Point
from matscout.propose.toolbox import SpaceTools
from matscout.surrogate.gp import GaussianProcess
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Target, Value


@dataclass(frozen=True)
class PriorBelief:
    """The model of one earlier run, of its own standardised values, over its own columns of X."""

    posterior: GpPosterior
    columns: Tensor

    def at(self, X: Tensor) -> Tensor:
        """The columns that the earlier run had: (…, D) -> (…, d)."""
        return X[..., self.columns]

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        return self.posterior.mean_sd(self.at(X))


def belief_of(tools: SpaceTools, prior: PriorRun, target: Target) -> PriorBelief:
    """A Gaussian process of `prior` alone, over what varied in it: it knows nothing of the rest, and
    what it says does not depend on it. Raises FitFailed.
    """
    rows = torch.from_numpy(rows_of(tools, prior.params))
    varies = (rows.amax(0) > rows.amin(0)).nonzero()[:, 0]
    columns = varies if len(varies) else torch.zeros(1, dtype=torch.long)
    groups = torch.tensor(tools.encoding.groups)[columns].tolist()
    y = torch.from_numpy(prior.good(target)).unsqueeze(-1)
    sems = [math.nan if sem is None else sem for sem in prior.sems]
    yvar = torch.tensor(sems, dtype=torch.float64).square().unsqueeze(-1)
    fitted = GaussianProcess(groups=_numbered(groups)).fit(rows[:, columns], y, yvar)
    return PriorBelief(fitted.standardised, columns)


def rows_of(tools: SpaceTools, points: Sequence[Mapping[str, Value]]) -> NDArray[np.float64]:
    """(n, D), with what is missing at some fixed value: its columns are not looked at."""
    return tools.encoding.rows([completed(tools, point) for point in points])


def completed(tools: SpaceTools, point: Mapping[str, Value]) -> Point:
    """`point` with the middle of each parameter that exists and is missing."""
    space = tools.space
    whole: Point = {}
    for parameter in space.parameters:
        if space.is_active(parameter, whole):
            held = point.get(parameter.name)
            whole[parameter.name] = parameter.from_unit(0.5) if held is None else held
    return whole


def _numbered(groups: Sequence[int]) -> list[int]:
    """Without gaps, as the kernel wants them."""
    number = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    return [number[group] for group in groups]
