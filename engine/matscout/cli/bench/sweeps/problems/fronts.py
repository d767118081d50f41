"""Several objectives: what counts is the volume that the front dominates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from botorch.test_functions.multi_objective import C2DTLZ2, DTLZ2, BraninCurrin
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

from matscout.cli.bench.sweeps.problems.functions import rows, space_of
from matscout.cli.bench.sweeps.problems.problem import Observed, Problem, Told
from matscout.trial import Params, Target


@dataclass(frozen=True)
class FrontProblem(Problem):
    """Without noise, all objectives to be minimised. Regret = 1 - (volume dominated by the feasible
    trials, up to BoTorch's reference point) / (the largest possible)."""

    function: Any = None

    def observed(self, params: Params, trial: int, seed: int) -> Observed:
        X = rows(self.space, [params])
        limits: tuple[float, ...] = ()
        if self.limits:
            limits = tuple((-self.function.evaluate_slack_true(X)[0]).tolist())
        return Observed(tuple(self.function.evaluate_true(X)[0].tolist()), limits)

    def regrets(self, told: Told) -> list[float]:
        volume = Hypervolume(-self.function.ref_point)
        front = torch.empty(0, len(self.targets), dtype=torch.double)
        dominated, out = 0.0, []
        for _, seen in told:
            value = -torch.tensor([seen.values], dtype=torch.double)
            if seen.feasible and not (front >= value).all(dim=-1).any():
                front = torch.cat([front, value])
                front = front[is_non_dominated(front)]
                dominated = volume.compute(front)
            out.append(1.0 - dominated / self.optimum)
        return out

    def best_found(self, told: Told) -> list[float]:
        return self.regrets(told)

    @property
    def optimum(self) -> float:
        return float(self.function.max_hv)

    @property
    def unit(self) -> float:
        return self.optimum


def branin_currin() -> FrontProblem:
    return _problem("branin_currin", BraninCurrin(), 0)


def c2dtlz2() -> FrontProblem:
    """Of 4 inputs and 2 objectives, as in BoTorch's tutorial on constraints and several objectives."""
    return _problem("c2dtlz2", C2DTLZ2(dim=4, num_objectives=2), 1)


def dtlz2() -> FrontProblem:
    """Deb, Thiele, Laumanns, Zitzler 2002, of 6 inputs and 2 objectives."""
    said = "the largest volume is exact: the front is a quarter of a circle"
    return _problem("dtlz2", DTLZ2(dim=6, num_objectives=2), 0, said)


def _problem(
    name: str,
    function: Any,
    limits: int,
    said: str = "the largest volume is BoTorch's, found by NSGA-II",
) -> FrontProblem:
    targets: Sequence[Target] = [Target(f"y{i + 1}") for i in range(function.num_objectives)]
    return FrontProblem(
        name, "front", space_of(function), 60, tuple(targets), limits, said=said, function=function
    )
