"""Several targets from one extractor: hard sharing (Caruana 1997), with PCGrad where tasks quarrel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from matscout.models.extractors import ExtractorMaker, Headed, OfColumns, Pretrained, Views
from matscout.models.inputs import Inputs, Scaled
from matscout.models.mlp import Mlp
from matscout.models.recipe import outputs_of
from matscout.models.transfer import HeadSettings
from matscout.surrogate.scaling import Standard


class Heads(nn.Module):
    """(b, f) -> (b, tasks), a head for each: hard sharing of what is below."""

    def __init__(self, each: Iterable[nn.Module]) -> None:
        super().__init__()
        self.each = nn.ModuleList(each)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([one(x) for one in self.each], dim=1)


@dataclass(frozen=True)
class MultiTask:
    """One body, a head for each of the targets. `surgery` turns PCGrad on; without it the tasks'
    losses are added up.
    """

    view: str
    make: ExtractorMaker = field(default_factory=OfColumns)
    head: HeadSettings = field(default_factory=HeadSettings)
    surgery: bool = True

    def fit(self, views: Views, Y: np.ndarray, seed: int) -> FittedTasks:
        """Y (n, m), NaN where a target was not measured; each column has a value at least."""
        Y = np.asarray(Y, dtype=np.float64)
        if Y.ndim != 2 or np.isinf(Y).any() or not np.isfinite(Y).any(0).all():
            raise ValueError(f"Y must be (n, m) with a value in each column, got {Y.shape}")
        inputs = views[self.view]
        units = [Standard.of(torch.from_numpy(column[np.isfinite(column)])) for column in Y.T]
        goal = np.column_stack(
            [u(torch.from_numpy(column)).numpy() for u, column in zip(units, Y.T, strict=True)]
        )
        scaled = Scaled.like(inputs)
        network = self.head.recipe(self._fresh).trained(
            scaled(inputs), goal, partial(task_losses, apart=self.surgery), Y.shape[1],
            np.random.SeedSequence([seed, 4]),
        )  # fmt: skip
        assert isinstance(network, Headed)
        return FittedTasks(self.view, network, scaled, units)

    def _fresh(self, inputs: Inputs, outputs: int) -> nn.Module:
        extractor = self.make(inputs)
        width = int(extractor.width)
        heads = Heads(Mlp(width, 1, self.head.size) for _ in range(outputs))
        return Headed(extractor, nn.Identity(), heads)


@dataclass(frozen=True)
class FittedTasks:
    view: str
    network: Headed
    scaled: Scaled
    units: Sequence[Standard]

    def predict(self, views: Views) -> np.ndarray:
        """(n, m), each column in its own unit."""
        said = outputs_of(self.network, self.scaled(views[self.view])).numpy()
        return np.asarray(said * [u.scale for u in self.units] + [u.loc for u in self.units])

    def expert(self, name: str) -> Pretrained:
        """The shared body as an expert for transfer."""
        return Pretrained(name, self.view, self.network.extractor, self.scaled)


def task_losses(outputs: Tensor, goal: Tensor, apart: bool) -> Tensor:
    """Squared error of each task over the rows that have it, (b, m) -> (m,), or their sum, ().

    A task that no row of the batch has contributes 0.
    """
    known = goal.isfinite()
    error = torch.where(known, outputs - goal.nan_to_num(), 0.0).square()
    each = error.sum(0) / known.sum(0).clamp_min(1)
    return each if apart else each.sum()
