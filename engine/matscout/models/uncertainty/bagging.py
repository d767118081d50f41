"""Several networks that differ in their start, their order and, if bagged, their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from matscout.models.inputs import Inputs
from matscout.models.recipe import Recipe, outputs_of
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.gaussian import beta_nll, law_of_total_variance
from matscout.models.uncertainty.training import Training, Units


@dataclass(frozen=True)
class BaggedNetworks:
    """Bagging of small nets (Breiman 1996), or, with `bootstrap` off, a deep ensemble as the paper
    has it (Lakshminarayanan, Pritzel, Blundell 2017) over any inputs, crystals too.

    A member says a mean and a variance. Epistemic is the variance between members, aleatoric the
    mean of their variances. surrogate/ensemble.py goes further for tables: it scales the spread by
    what members say of rows that they have not seen.
    """

    members: int = 5
    bootstrap: bool = True
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"two members at least, got {self.members}")

    def fit(self, X: Inputs | np.ndarray, y: np.ndarray) -> FittedNetworks:
        rows = Training.of(X, y)
        n = len(rows.goal)
        networks = []
        for member in range(self.members):
            draw = np.random.default_rng(np.random.SeedSequence([self.seed, member, 1]))
            own = np.sort(draw.integers(n, size=n)) if self.bootstrap else None
            seed = np.random.SeedSequence([self.seed, member])
            networks.append(
                self.recipe.trained(rows.inputs, rows.goal, beta_nll, 2, seed, rows=own)
            )
        return FittedNetworks(networks, rows.units)


@dataclass(frozen=True)
class FittedNetworks:
    networks: Sequence[nn.Module]
    units: Units

    def predict(self, X: Inputs | np.ndarray) -> Belief:
        inside = self.units.inside(X)
        said = torch.stack([outputs_of(network, inside) for network in self.networks])
        mean, between, noise = law_of_total_variance(said)
        return self.units.belief(mean.numpy(), between.numpy(), noise.numpy())
