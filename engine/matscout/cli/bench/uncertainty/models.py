"""The models of `bench uncertainty`: every kind that says how sure it is, and one that knows nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from matscout.models.inputs import Inputs, inputs_of
from matscout.models.uncertainty.belief import Belief, UncertainModel
from matscout.models.uncertainty.estimator import KINDS, UncertainSettings

NOTHING = "training targets"


@dataclass(frozen=True)
class TrainingTargets:
    """Says the mean and the sd of the training targets of every row: what all others must beat."""

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> TrainingTargets._Fitted:
        return self._Fitted(float(np.mean(y)), float(np.std(y)))

    @dataclass(frozen=True)
    class _Fitted:
        mean: float
        sd: float

        def predict(self, X: Inputs | np.ndarray) -> Belief:
            n = len(inputs_of(X))
            return Belief(np.full(n, self.mean), np.zeros(n), np.full(n, self.sd))


def _of(kind: str) -> Callable[[int], UncertainModel]:
    return lambda seed: KINDS[kind](UncertainSettings(kind), seed)


MODELS: Mapping[str, Callable[[int], UncertainModel]] = {
    NOTHING: lambda seed: TrainingTargets(),
    **{kind: _of(kind) for kind in sorted(KINDS)},
}
"""By name, with a seed; everything at its defaults."""
