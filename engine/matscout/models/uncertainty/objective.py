"""The loss of networks that say how sure they are, and what they say in the target's own unit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from matscout.models.hyperparameters import FitSettings, GraphUncertaintySettings
from matscout.models.metrics import Metric
from matscout.models.objective import Objective
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.evidential import evidence_moments, evidential_loss
from matscout.models.uncertainty.gaussian import beta_nll, law_of_total_variance


class UncertainObjective(Objective):
    """Numbers under `beta_nll` (two outputs, of one network or of several), or under the evidential
    loss (four); `settings.loss` does not matter, nor do weights, which `how.check` refuses.
    """

    def __init__(
        self,
        y: np.ndarray,
        train: np.ndarray,
        settings: FitSettings,
        device: torch.device,
        how: GraphUncertaintySettings,
    ) -> None:
        super().__init__("regression", y, train, settings, device)
        self._evidence = how.evidence_weight if how.uncertainty == "evidential" else None
        self.outputs = 2 if self._evidence is None else 4

    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        if self._evidence is None:
            return beta_nll(outputs, self.goal[rows])
        return evidential_loss(outputs, self.goal[rows], self._evidence)

    def belief(self, outputs: Tensor) -> Belief:
        """Of (T, b, 2), T networks or passes, or of (b, 4)."""
        raw = outputs.detach().double().cpu()
        if self._evidence is None:
            mean, epistemic, aleatoric = law_of_total_variance(raw)
        else:
            mean, epistemic, aleatoric = evidence_moments(raw)
        inside = Belief(mean.numpy(), epistemic.sqrt().numpy(), aleatoric.sqrt().numpy())
        return inside.in_units(self.mean, self.spread)

    def predictions(self, outputs: Tensor, metric: Metric) -> np.ndarray:
        said = self.belief(outputs)
        return np.column_stack([said.mean, said.sd]) if metric.sees == "belief" else said.mean
