"""Networks in two parts, so that the first can be kept: an extractor and a head.

An extractor makes features of a row: a `CrystalBody` of its graph, an `MlpBody` of its columns,
nothing at all of features that are trained already (CHGNet's 64).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from matscout.models.hyperparameters import CgcnnSettings, GraphSettings, MlpSettings
from matscout.models.inputs import ColumnInputs, Inputs, Scaled
from matscout.models.mlp import Mlp
from matscout.models.recipe import outputs_of

Views = Mapping[str, Inputs]
"""The same rows as several extractors see them, by name: graphs, composition, …"""

ExtractorMaker = Callable[[Inputs], nn.Module]
"""A fresh extractor, which says its `width`; draws from torch's global generator."""


class MlpBody(nn.Module):
    """All of an MLP but its last layer: (b, inputs) -> (b, width)."""

    def __init__(self, inputs: int, settings: MlpSettings) -> None:
        super().__init__()
        self.width = settings.hidden_features
        self.layers = Mlp(inputs, 1, settings).layers[:-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class AsItIs(nn.Module):
    """Features that are trained already."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return x


@dataclass(frozen=True)
class OfColumns:
    """Makes an `MlpBody`."""

    settings: MlpSettings = field(default_factory=MlpSettings)

    def __call__(self, inputs: Inputs) -> nn.Module:
        return MlpBody(_width(inputs), self.settings)


@dataclass(frozen=True)
class OfGraphs:
    """Makes a `CrystalBody`."""

    settings: CgcnnSettings = field(default_factory=CgcnnSettings)
    graphs: GraphSettings = field(default_factory=GraphSettings)

    def __call__(self, inputs: Inputs) -> nn.Module:
        from matscout.models.cgcnn import CrystalBody  # seconds, and tables have no graphs

        return CrystalBody(self.settings, self.graphs.cutoff_angstrom)


@dataclass(frozen=True)
class OfFeatures:
    """Makes an `AsItIs`."""

    def __call__(self, inputs: Inputs) -> nn.Module:
        return AsItIs(_width(inputs))


class Standardise(nn.Module):
    """What heads are shown: features scaled as training rows asked for; no part of it learns."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        scaled = Scaled.like(ColumnInputs(features))
        width = features.shape[1]
        none, one = torch.zeros(width), torch.ones(width)
        self.register_buffer("mean", none if scaled.mean is None else scaled.mean.float())
        self.register_buffer("spread", one if scaled.spread is None else scaled.spread.float())

    def forward(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / self.spread).clamp(-10.0, 10.0)


class Headed(nn.Module):
    """Extractor, scaling, head. With `still`, normalisation layers keep the statistics that they
    have, whatever the mode: those of fifty rows would be worse.
    """

    def __init__(
        self, extractor: nn.Module, scaling: nn.Module, head: nn.Module, still: bool = False
    ) -> None:
        super().__init__()
        self.extractor, self.scaling, self.head, self.still = extractor, scaling, head, still

    def forward(self, batch: Any) -> Tensor:
        return self.head(self.scaling(self.extractor(batch)))

    def train(self, mode: bool = True) -> Headed:
        super().train(mode)
        if self.still:
            for module in self.extractor.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


@dataclass(frozen=True)
class Pretrained:
    """An extractor that has learned from another task, frozen: `features` never changes it.

    name    of the task that it comes from
    view    which of the `Views` it is shown
    scaled  the inputs' scaling, fitted to the rows that it learned from
    """

    name: str
    view: str
    extractor: nn.Module
    scaled: Scaled

    @property
    def width(self) -> int:
        return int(self.extractor.width)

    def features(self, views: Views) -> Tensor:
        """(n, width) float32, without gradients and with dropout off: worth computing once."""
        self.extractor.eval()
        return outputs_of(self.extractor, self.scaled(views[self.view])).float()

    def copied(self) -> nn.Module:
        """For whoever wants to train on."""
        return copy.deepcopy(self.extractor)


def of_features(name: str, view: str, width: int) -> Pretrained:
    """Features that come trained (CHGNet's) as an expert like any other."""
    return Pretrained(name, view, AsItIs(width).eval(), Scaled(None, None))


def _width(inputs: Inputs) -> int:
    shown = inputs.batch(torch.zeros(1, dtype=torch.int64))
    return int(shown.shape[1])
