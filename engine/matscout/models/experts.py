"""A mixture of experts over frozen extractors (Chang, Wang, Ertekin, npj Comput. Mater. 8, 242
(2022)): f = sum_i G_i E_i(x), a head on f; only the gate G and the head are trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from matscout.models.extractors import Pretrained, Standardise, Views
from matscout.models.gate import Gate, GateSettings, load_balance, z_loss
from matscout.models.inputs import ColumnInputs
from matscout.models.mlp import Mlp
from matscout.models.recipe import outputs_of, squared
from matscout.models.transfer import HeadSettings
from matscout.surrogate.scaling import Standard


class MixtureNetwork(nn.Module):
    """(b, sum of widths), the experts' scaled features side by side -> (b, 1 + m): the prediction
    and the gate's logits, which the loss wants.

    Where widths differ, each expert's features first go through a linear map to the widest of
    them, because the paper adds them up.
    """

    def __init__(self, widths: Sequence[int], head: HeadSettings, gate: GateSettings) -> None:
        super().__init__()
        self.widths = list(widths)
        widest = max(widths)
        self.maps = nn.ModuleList(
            nn.Identity() if len(set(widths)) == 1 else nn.Linear(w, widest) for w in widths
        )
        self.gate = Gate(len(widths), sum(widths), gate)
        self.head = Mlp(widest, 1, head.size)

    def forward(self, x: Tensor) -> Tensor:
        parts = [m(p) for m, p in zip(self.maps, x.split(self.widths, dim=1), strict=True)]
        logits = self.gate(x)  # (b, m)
        weights = self.gate.weights(logits)
        mixed = (weights[:, :, None] * torch.stack(parts, dim=1)).sum(1)  # (b, widest)
        return torch.cat([self.head(mixed), logits], dim=1)


@dataclass(frozen=True)
class MixtureOfExperts:
    """An arm, as transfer.py has them. Experts stay as they are, so that nothing is forgotten."""

    experts: Sequence[Pretrained]
    head: HeadSettings = field(default_factory=HeadSettings)
    gate: GateSettings = field(default_factory=GateSettings)

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedMixture:
        units = Standard.of(torch.from_numpy(y))
        features = [expert.features(views) for expert in self.experts]
        scalings = [Standardise(part) for part in features]
        shown = _side_by_side(scalings, features)
        widths = [part.shape[1] for part in features]
        recipe = self.head.recipe(
            lambda inputs, outputs: MixtureNetwork(widths, self.head, self.gate)
        )
        goal = units(torch.from_numpy(np.asarray(y, dtype=np.float64))).numpy()
        network = recipe.trained(
            shown, goal, partial(mixture_loss, gate=self.gate), 1, np.random.SeedSequence([seed, 3])
        )
        assert isinstance(network, MixtureNetwork)
        return FittedMixture(self.experts, scalings, network, units)


@dataclass(frozen=True)
class FittedMixture:
    experts: Sequence[Pretrained]
    scalings: Sequence[Standardise]
    network: MixtureNetwork
    units: Standard

    def predict(self, views: Views) -> np.ndarray:
        said = self._said(views)[:, 0].numpy()
        return np.asarray(self.units.loc + self.units.scale * said)

    def shares(self, views: Views) -> dict[str, float]:
        """How much the gate takes of each expert, on the mean over these rows: they sum to 1 (but
        for a gate of one expert of several, whose weight is its probability)."""
        logits = self._said(views)[:, 1:]
        weights = self.network.gate.weights(logits).mean(0).tolist()
        return {e.name: float(w) for e, w in zip(self.experts, weights, strict=True)}

    def _said(self, views: Views) -> Tensor:
        features = [expert.features(views) for expert in self.experts]
        return outputs_of(self.network, _side_by_side(self.scalings, features))


def mixture_loss(outputs: Tensor, goal: Tensor, gate: GateSettings) -> Tensor:
    """Squared error, plus the gate's two losses at their weights: (b, 1 + m), (b,) -> ()."""
    logits = outputs[:, 1:]
    loss = squared(outputs, goal)
    if gate.balance:
        loss = loss + gate.balance * load_balance(logits, gate.kept)
    return loss + gate.z * z_loss(logits) if gate.z else loss


def _side_by_side(scalings: Sequence[nn.Module], features: Sequence[Tensor]) -> ColumnInputs:
    return ColumnInputs(torch.cat([s(f) for s, f in zip(scalings, features, strict=True)], dim=1))
