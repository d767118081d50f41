"""Monte Carlo dropout: dropout stays on when a network is asked (Gal and Ghahramani 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from matscout.models.hyperparameters import FitSettings, MlpSettings
from matscout.models.inputs import Inputs, MlpMaker
from matscout.models.recipe import Recipe, outputs_of
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.gaussian import beta_nll, law_of_total_variance
from matscout.models.uncertainty.training import Training, Units


def _recipe() -> Recipe:
    settings = FitSettings(lr=5e-3, weight_decay=1e-2)
    return Recipe(make=MlpMaker(MlpSettings(dropout=0.1)), settings=settings)


@dataclass(frozen=True)
class DropoutModel:
    """Any network with dropout in it, asked `passes` times with different units left out.

    Aleatoric is the variance that the network predicts, averaged over the passes; epistemic is the
    variance between them (Kendall and Gal 2017, equation 9). The spread is set by the dropout rate
    and does not shrink by itself as data come in: choose the rate by held-out likelihood.
    """

    passes: int = 50
    recipe: Recipe = field(default_factory=_recipe)
    seed: int = 0

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> FittedDropout:
        rows = Training.of(X, y)
        seed = np.random.SeedSequence([self.seed, 0])
        network = self.recipe.trained(rows.inputs, rows.goal, beta_nll, 2, seed)
        if not any(isinstance(m, nn.Dropout) and m.p > 0 for m in network.modules()):
            raise ValueError("MC dropout needs a network with a dropout rate above 0")
        return FittedDropout(network, self.passes, self.seed, rows.units)


@dataclass(frozen=True)
class FittedDropout:
    network: nn.Module
    passes: int
    seed: int
    units: Units

    def predict(self, X: Inputs | np.ndarray) -> Belief:
        inside = self.units.inside(X)
        said = []
        for number in range(self.passes):
            with thinned(self.network, np.random.SeedSequence([self.seed, 1, number])):
                said.append(outputs_of(self.network, inside))
        mean, between, noise = law_of_total_variance(torch.stack(said))
        return self.units.belief(mean.numpy(), between.numpy(), noise.numpy())


@contextmanager
def thinned(network: nn.Module, seed: np.random.SeedSequence) -> Iterator[None]:
    """Inside, every dropout layer of `network`, which is in `eval`, leaves out the same units for
    all rows: one network drawn from the posterior that dropout stands for. torch draws anew for
    each row, so that a prediction would depend on the rows beside it.
    """
    generator = torch.Generator().manual_seed(int(seed.generate_state(1)[0]))
    masks: dict[nn.Module, Tensor] = {}

    def thin(layer: nn.Module, given: tuple[Tensor, ...], _: Tensor) -> Tensor:
        x = given[0]
        if layer not in masks:
            keep = 1.0 - float(layer.p)
            drawn = torch.rand(x.shape[-1], generator=generator) < keep
            masks[layer] = drawn.to(x) / keep if keep > 0 else torch.zeros_like(x[0])
        return x * masks[layer]

    handles = [
        m.register_forward_hook(thin) for m in network.modules() if isinstance(m, nn.Dropout)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
