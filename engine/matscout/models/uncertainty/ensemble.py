"""Deep ensembles on tables: surrogate/ensemble.py, whose spread held-out rows have scaled."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from matscout.models.inputs import Inputs
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.quantile_forest import table_of
from matscout.surrogate.ensemble import DeepEnsemble, EnsemblePosterior


@dataclass(frozen=True)
class CalibratedEnsemble:
    """Of columns alone; for graphs see bagging.py. Aleatoric is one number for all rows."""

    ensemble: DeepEnsemble = field(default_factory=DeepEnsemble)

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> FittedEnsemble:
        table = torch.from_numpy(table_of(X))
        goal = torch.from_numpy(np.asarray(y, dtype=np.float64))[:, None]
        return FittedEnsemble(self.ensemble.fit(table, goal))


@dataclass(frozen=True)
class FittedEnsemble:
    posterior: EnsemblePosterior

    def predict(self, X: Inputs | np.ndarray) -> Belief:
        mean, sd = self.posterior.mean_sd(torch.from_numpy(table_of(X)))
        noise = self.posterior.scale * float(np.sqrt(self.posterior.noise_here))
        return Belief(mean.numpy(), sd.numpy(), np.full(len(mean), noise))
