from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.test_functions.multi_fidelity import AugmentedHartmann

from matscout.cli.bench.sweeps.problems.fidelity import REPORTS, WHOLE, augmented_hartmann
from matscout.cli.bench.sweeps.problems.functions import rows
from matscout.propose.sampling import Sampler


def test_a_whole_trial_is_the_function_at_full_fidelity_and_a_report_at_its_own() -> None:
    problem = augmented_hartmann()
    for params in Sampler(problem.space).uniform(5, np.random.default_rng(0)):
        seen = problem.observed(params, 0, 0)
        X = rows(problem.space, [params])

        def at(step: int, X: torch.Tensor = X) -> float:
            fidelity = torch.full((1, 1), step / WHOLE, dtype=X.dtype)
            return float(AugmentedHartmann().evaluate_true(torch.cat([X, fidelity], dim=1))[0])

        assert seen.values[0] == pytest.approx(at(WHOLE), abs=1e-6)
        assert seen.reports == tuple((step, pytest.approx(at(step))) for step in REPORTS)
