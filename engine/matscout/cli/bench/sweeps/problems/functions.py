"""BoTorch's test functions as problems: their bounds as a space, points as rows of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matscout.cli.bench.sweeps.problems.problem import Array, Observed, Single
from matscout.parameter import Float, Int, Parameter
from matscout.space import Space
from matscout.trial import Params


def space_of(function: Any) -> Space:
    """x1, x2, … within the bounds; what the function calls discrete is whole."""
    parameters: list[Parameter] = []
    for place, (low, high) in enumerate(function.bounds.T.tolist()):
        name = f"x{place + 1}"
        if place in function.discrete_inds:
            parameters.append(Int(name, int(low), int(high)))
        else:
            parameters.append(Float(name, low, high))
    return Space(tuple(parameters))


def rows(space: Space, points: Sequence[Params]) -> Tensor:
    """(n, d) in the order of the space."""
    names = [p.name for p in space.parameters]
    return torch.tensor([[float(p[name]) for name in names] for p in points], dtype=torch.double)


@dataclass(frozen=True)
class FunctionProblem(Single):
    """One objective without noise; `best` is its known optimum."""

    function: Any = None
    best: float = 0.0

    def observed(self, params: Params, trial: int, seed: int) -> Observed:
        X = rows(self.space, [params])
        limits: tuple[float, ...] = ()
        if self.limits:
            # BoTorch's slack is feasible at 0 and above.
            limits = tuple((-self.function.evaluate_slack_true(X)[0]).tolist())
        return Observed((float(self.function.evaluate_true(X)[0]),), limits)

    def true(self, points: Sequence[Params]) -> tuple[Array, NDArray[np.bool_]]:
        X = rows(self.space, points)
        values = self.function.evaluate_true(X).numpy()
        if not self.limits:
            return values, np.ones(len(values), dtype=bool)
        return values, (self.function.evaluate_slack_true(X) >= 0.0).all(dim=-1).numpy()

    @property
    def optimum(self) -> float:
        return self.best
