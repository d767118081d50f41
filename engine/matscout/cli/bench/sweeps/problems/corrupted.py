"""Measurements of which some are simply wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from botorch.test_functions.base import CorruptedTestProblem
from botorch.test_functions.synthetic import Hartmann
from torch import Tensor

from matscout.cli.bench.sweeps.problems.functions import FunctionProblem, rows, space_of
from matscout.cli.bench.sweeps.problems.plain import HARTMANN6_BEST
from matscout.cli.bench.sweeps.problems.problem import Observed, Told
from matscout.trial import Params

FRACTION = 0.1
WIDEST = 10.0
"""Three times the depth of the function, on either side: a wrong value may look like the best ever."""


def anything(problem: Any, X: Tensor, bounds: Any) -> Tensor:
    """Uniform between -WIDEST and WIDEST."""
    return (2.0 * torch.rand(X.shape[:-1], dtype=X.dtype) - 1.0) * WIDEST


@dataclass(frozen=True)
class CorruptedProblem(FunctionProblem):
    """Which trials are wrong, and how, depends on the run's seed and the trial's number alone. The
    best observed value is wrong more often than not, so what counts is the best point evaluated."""

    def observed(self, params: Params, trial: int, seed: int) -> Observed:
        place = np.random.SeedSequence((seed, trial)).generate_state(1)
        wrong = CorruptedTestProblem(self.function, anything, FRACTION, seeds=place.tolist())
        with torch.random.fork_rng(devices=[]):  # it seeds torch as a whole
            value = float(wrong(rows(self.space, [params]))[0])
        return Observed((value,))

    def regrets(self, told: Told) -> list[float]:
        return self.best_found(told)


def corrupted_hartmann6() -> FunctionProblem:
    function = Hartmann(6)
    said = f"{FRACTION:.0%} of values are anything from -{WIDEST:g} to {WIDEST:g}; "
    return CorruptedProblem(
        "corrupted_hartmann6", "corrupted", space_of(function), 100, noisy=True,
        function=function, best=HARTMANN6_BEST,
        said=said + "the best point evaluated counts",
    )  # fmt: skip
