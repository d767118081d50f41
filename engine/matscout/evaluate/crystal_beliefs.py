"""How sure the networks of crystals were, and whether they were right to be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matscout.evaluate.lockstep import NetworkFold
from matscout.models.metrics import METRICS
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.judge import judged
from matscout.models.uncertainty.objective import UncertainObjective

JUDGED = ("mae", "nll", "crps", "coverage_error", "miscalibration_area")
"""Metrics that are measured beside the one that was asked for."""

LEVEL = 0.9


@dataclass(frozen=True)
class Beliefs:
    """What each fold says of the rows that it judges."""

    folds: Sequence[NetworkFold]
    each: Sequence[Belief]

    @classmethod
    def of(cls, folds: Sequence[NetworkFold]) -> Beliefs:
        each = []
        for fold in folds:
            assert isinstance(fold.objective, UncertainObjective)
            each.append(fold.objective.belief(fold.fit.outputs(fold.judge)))
        return cls(folds, each)

    def values(self) -> dict[str, float]:
        """The means over folds, by name: the metrics JUDGED, the share of measurements inside the
        central interval of 90 %, and the root mean squares of the sds, in the target's unit.
        """
        found: dict[str, list[float]] = {}
        for fold, belief in zip(self.folds, self.each, strict=True):
            for name, value in _of_one(belief, fold.truth).items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def columns(self) -> Mapping[str, Sequence[float]]:
        """Both sds of every judged row, fold after fold."""
        return {
            "epistemic": np.concatenate([one.epistemic for one in self.each]).tolist(),
            "aleatoric": np.concatenate([one.aleatoric for one in self.each]).tolist(),
        }


def _of_one(belief: Belief, truth: np.ndarray) -> dict[str, float]:
    both = np.column_stack([belief.mean, belief.sd])
    seen = {name: both if METRICS[name].sees == "belief" else belief.mean for name in JUDGED}
    found = {name: METRICS[name].score(truth, what) for name, what in seen.items()}
    names = ("coverage_90", "sd", "sd_epistemic", "sd_aleatoric")
    if not np.isfinite(both).all():
        return found | dict.fromkeys(names, math.nan)
    about = judged(belief, truth, LEVEL)
    parts = (about.coverage, about.sharpness, about.epistemic, about.aleatoric)
    return found | dict(zip(names, parts, strict=True))
