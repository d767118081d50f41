"""Learning a scarce target from scratch, from one pretrained extractor, in one stage or in two.

Pairwise transfer and the two stages: Chang, Wang, Ertekin, npj Comput. Mater. 8, 242 (2022) and the
field's practice (Yosinski et al. 2014; Howard and Ruder 2018): first a new head on the frozen body,
which cannot forget; then, for two stages, all of it at a low rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from matscout.models.extractors import (
    ExtractorMaker,
    Headed,
    OfColumns,
    Pretrained,
    Standardise,
    Views,
)
from matscout.models.hyperparameters import FitSettings, MlpSettings
from matscout.models.inputs import Chosen, ColumnInputs, Inputs, Maker, Scaled
from matscout.models.mlp import Mlp
from matscout.models.recipe import Recipe, outputs_of, squared
from matscout.surrogate.scaling import Standard


@dataclass(frozen=True)
class HeadSettings:
    """A small head, and how and where it is fitted; the defaults are the engine's for small tables,
    which a CPU fits sooner than a GPU."""

    size: MlpSettings = field(
        default_factory=lambda: MlpSettings(hidden_features=32, hidden_layers=1)
    )
    epochs: int = 150
    settings: FitSettings = field(default_factory=lambda: FitSettings(lr=5e-3, weight_decay=1e-2))
    device: str = "cpu"

    def recipe(self, make: Maker) -> Recipe:
        """These settings for a network of `make`."""
        return Recipe(make, self.epochs, self.settings, self.device)


class FittedTransfer(Protocol):
    def predict(self, views: Views) -> np.ndarray:
        """(n,), in the target's own unit."""


class Transfer(Protocol):
    """An arm of a comparison: pure, the same data and seed give the same predictions."""

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedTransfer:
        """All rows of `views` train; y (n,), n >= 2, physical units."""


@dataclass(frozen=True)
class Scratch:
    """A fresh extractor and head, trained on the scarce target alone."""

    view: str
    make: ExtractorMaker = field(default_factory=OfColumns)
    head: HeadSettings = field(default_factory=HeadSettings)

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedWhole:
        inputs, units = views[self.view], Standard.of(torch.from_numpy(y))
        scaled = Scaled.like(inputs)
        network = self.head.recipe(self._fresh).trained(
            scaled(inputs), _goal(units, y), squared, 1, np.random.SeedSequence([seed, 0])
        )
        return FittedWhole(self.view, network, scaled, units)

    def _fresh(self, inputs: Inputs, outputs: int) -> nn.Module:
        extractor = self.make(inputs)
        width = int(extractor.width)
        return Headed(extractor, nn.Identity(), Mlp(width, outputs, self.head.size))


@dataclass(frozen=True)
class Pairwise:
    """One expert's features, frozen, and a new head: one stage."""

    expert: Pretrained
    head: HeadSettings = field(default_factory=HeadSettings)

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedWhole:
        units = Standard.of(torch.from_numpy(y))
        features = self.expert.features(views)
        scaling = Standardise(features)
        head = head_on(scaling(features), units, y, self.head, seed)
        whole = Headed(self.expert.copied(), scaling, head).to(self.head.device).eval()
        return FittedWhole(self.expert.view, whole, self.expert.scaled, units)


@dataclass(frozen=True)
class TwoStage:
    """`Pairwise`, then everything at `slower` times its rate, on a copy of the extractor.

    What the extractor knew may be forgotten in the second stage; `Pairwise` cannot forget.
    """

    expert: Pretrained
    head: HeadSettings = field(default_factory=HeadSettings)
    slower: float = 0.1
    epochs: int = 50

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedWhole:
        first = Pairwise(self.expert, self.head).fit(views, y, seed)
        whole = first.network
        assert isinstance(whole, Headed)
        start = Headed(self.expert.copied(), whole.scaling, whole.head, still=True)
        slow = replace(self.head.settings, lr=self.head.settings.lr * self.slower)
        how = replace(self.head, epochs=self.epochs, settings=slow)
        network = how.recipe(lambda inputs, outputs: start).trained(
            self.expert.scaled(views[self.expert.view]),
            _goal(first.units, y), squared, 1, np.random.SeedSequence([seed, 2]),
        )  # fmt: skip
        return replace(first, network=network)


@dataclass(frozen=True)
class FittedWhole:
    """One network on one view."""

    view: str
    network: nn.Module
    scaled: Scaled
    units: Standard

    def predict(self, views: Views) -> np.ndarray:
        said = outputs_of(self.network, self.scaled(views[self.view]))[:, 0].numpy()
        return np.asarray(self.units.loc + self.units.scale * said)


@dataclass(frozen=True)
class Bagged:
    """Any arm, fitted `members` times on rows drawn with replacement (Breiman 1996), averaged."""

    arm: Transfer
    members: int = 5

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedMean:
        fitted = []
        for member in range(self.members):
            rng = np.random.default_rng(np.random.SeedSequence([seed, member, 1]))
            rows = np.sort(rng.integers(len(y), size=len(y)))
            own = int(np.random.SeedSequence([seed, member]).generate_state(1)[0])
            fitted.append(self.arm.fit(chosen(views, rows), y[rows], own))
        return FittedMean(fitted)


@dataclass(frozen=True)
class FittedMean:
    fitted: Sequence[FittedTransfer]

    def predict(self, views: Views) -> np.ndarray:
        return np.mean([part.predict(views) for part in self.fitted], axis=0)


def pretrained(
    name: str,
    view: str,
    views: Views,
    y: np.ndarray,
    *,
    make: ExtractorMaker | None = None,
    head: HeadSettings | None = None,
    seed: int = 0,
) -> Pretrained:
    """An expert of the abundant target y (n,): trained from scratch with a head that is dropped."""
    arm = Scratch(view, make or OfColumns(), head or HeadSettings())
    fitted = arm.fit(views, y, seed)
    assert isinstance(fitted.network, Headed)
    return Pretrained(name, view, fitted.network.extractor.eval(), fitted.scaled)


def head_on(
    features: Tensor, units: Standard, y: np.ndarray, head: HeadSettings, seed: int
) -> nn.Module:
    """A multilayer perceptron on features (n, f) that do not change."""
    recipe = head.recipe(lambda inputs, outputs: Mlp(features.shape[1], outputs, head.size))
    return recipe.trained(
        ColumnInputs(features), _goal(units, y), squared, 1, np.random.SeedSequence([seed, 1])
    )


def chosen(views: Views, rows: np.ndarray) -> Views:
    """Some rows of every view, numbered anew."""
    return {name: Chosen.of(inputs, rows) for name, inputs in views.items()}


def _goal(units: Standard, y: np.ndarray) -> np.ndarray:
    return units(torch.from_numpy(np.asarray(y, dtype=np.float64))).numpy()
