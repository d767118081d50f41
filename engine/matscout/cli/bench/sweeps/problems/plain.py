"""Synthetic functions without conditions, constraints or noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from botorch.test_functions.synthetic import Ackley, AckleyMixed, Branin, Hartmann, Labs, Levy
from scipy.optimize import minimize

from matscout.cli.bench.sweeps.problems.functions import FunctionProblem, rows, space_of
from matscout.trial import Params, Target

GLOBAL, SECOND, OTHER = "global", "second", "other"

HARTMANN6_BEST = -3.322368004440186
"""By Newton's method, in double precision but with BoTorch's single-precision constants: a floor of
1e-8 on regret wants more digits than the paper's."""

_BASINS = {GLOBAL: HARTMANN6_BEST, SECOND: -3.203162}
"""Hartmann6's two lowest minima, by L-BFGS from near each."""


@dataclass(frozen=True)
class HartmannProblem(FunctionProblem):
    """Knows in which basin a point lies."""

    def basin(self, params: Params) -> str:
        """A descent from the point (L-BFGS-B) ends in the global minimum, the second or another."""

        def descended(x: np.ndarray) -> tuple[float, np.ndarray]:
            X = torch.tensor(x[None, :], requires_grad=True)
            value = self.function._evaluate_true(X).sum()
            value.backward()
            assert X.grad is not None
            return float(value.detach()), X.grad[0].numpy()

        start = rows(self.space, [params])[0].numpy()
        found = minimize(descended, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * 6).fun
        near = [name for name, value in _BASINS.items() if abs(found - value) < 1e-3]
        return near[0] if near else OTHER


def branin() -> FunctionProblem:
    # Its minimum is 10 / (8 pi), which BoTorch rounds.
    function = Branin()
    return FunctionProblem(
        "branin", "plain", space_of(function), 40, function=function, best=10.0 / (8.0 * np.pi)
    )


def hartmann6(name: str, budget: int) -> FunctionProblem:
    function = Hartmann(6)
    return HartmannProblem(
        name, "plain", space_of(function), budget, function=function, best=HARTMANN6_BEST
    )


def ackley5() -> FunctionProblem:
    # By default the optimum is the middle of the space, which is where Ax begins.
    function = Ackley(5, bounds=[(-5.0, 10.0)] * 5)
    said = "from -5 to 10, as in TuRBO (Eriksson et al. 2019)"
    return FunctionProblem(
        "ackley5", "plain", space_of(function), 100, function=function, said=said
    )


def levy10() -> FunctionProblem:
    function = Levy(10)
    return FunctionProblem("levy10", "plain", space_of(function), 150, function=function)


def ackley_mixed() -> FunctionProblem:
    function = AckleyMixed(53)
    said = "50 whole parameters of 0 and 1, 3 continuous; the optimum is a corner"
    return FunctionProblem(
        "ackley_mixed", "mixed", space_of(function), 100, function=function, said=said
    )


def labs() -> FunctionProblem:
    function = Labs(30)
    # Packebusch and Mertens 2016: energy 59 of 30 bits.
    return FunctionProblem(
        "labs30", "mixed", space_of(function), 100, (Target("merit", "max"),),
        function=function, best=30**2 / (2.0 * 59.0), said="30 bits",
    )  # fmt: skip
