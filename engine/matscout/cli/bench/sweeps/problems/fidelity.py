"""Functions of which a trial says on the way what it knows by then: a cheaper, slightly wrong value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from botorch.test_functions.multi_fidelity import AugmentedHartmann
from botorch.test_functions.synthetic import Hartmann

from matscout.cli.bench.sweeps.problems.functions import rows, space_of
from matscout.cli.bench.sweeps.problems.plain import HARTMANN6_BEST, HartmannProblem
from matscout.cli.bench.sweeps.problems.problem import Observed
from matscout.trial import Params

REPORTS = (1, 3)
"""Steps at which a trial says something, of WHOLE: the rungs of successive halving by 3."""

WHOLE = 9
"""Steps of a trial that is not stopped. At step k its fidelity is k / WHOLE, and so is its cost."""


@dataclass(frozen=True)
class AugmentedHartmannProblem(HartmannProblem):
    """Hartmann6 at the end of a trial, and lower fidelities of it before (Kandasamy et al., NeurIPS
    2016, with BoTorch's constants: what the first of its four wells contributes grows by a ninth)."""

    @property
    def steps(self) -> int:
        return WHOLE

    def observed(self, params: Params, trial: int, seed: int) -> Observed:
        X = rows(self.space, [params]).repeat(len(REPORTS), 1)
        fidelity = torch.tensor([[step / WHOLE] for step in REPORTS], dtype=X.dtype)
        early = AugmentedHartmann().evaluate_true(torch.cat([X, fidelity], dim=1))
        whole = super().observed(params, trial, seed)
        return replace(whole, reports=tuple(zip(REPORTS, early.tolist(), strict=True)))


def augmented_hartmann() -> AugmentedHartmannProblem:
    function = Hartmann(6)
    said = (
        f"a trial has {WHOLE} steps, and after {REPORTS[0]} and {REPORTS[1]} it tells AugmentedHartmann "
        f"at fidelities 1/{WHOLE} and {REPORTS[1]}/{WHOLE}; a stopped trial costs what it had; "
        "trials are whole ones, or steps worth as many"
    )
    return AugmentedHartmannProblem(
        "augmented_hartmann", "fidelity", space_of(function), 60,
        function=function, best=HARTMANN6_BEST, said=said,
    )  # fmt: skip
