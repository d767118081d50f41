"""Two-stage transfer of crystal-graph networks, epoch by epoch: `transfer.py` for what can be stopped,
checkpointed and pruned on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from matscout.models.cgcnn import Cgcnn, CrystalBody, blank_body, body_from
from matscout.models.crystal_graph import GraphTable
from matscout.models.extractors import Headed, Standardise
from matscout.models.fit import Fit, Forward
from matscout.models.hyperparameters import CgcnnSettings, FitSettings, GraphTransferSettings
from matscout.models.objective import Objective
from matscout.models.passes import Passes, sent, without_gradients
from matscout.models.staged import Stage

Seeded = Callable[[int], np.random.SeedSequence]
"""Place of a stage -> a seed of its own, always the same."""


@dataclass(frozen=True)
class GraphTask:
    """A property of crystals to be learned: of the training rows `rows` among all in `graphs`."""

    graphs: GraphTable
    objective: Objective
    settings: FitSettings
    rows: np.ndarray
    passes: Passes
    device: torch.device

    def seen(self, network: nn.Module, rows: Tensor) -> Tensor:
        return torch.as_tensor(network(self.graphs.batch(rows)))

    def fit(
        self,
        make: Callable[[], nn.Module],
        epochs: int,
        seed: np.random.SeedSequence,
        forward: Forward | None = None,
    ) -> Fit:
        return Fit(
            make, forward or self.seen, self.objective, self.settings, self.rows,
            epochs=epochs, seed=seed, device=self.device, passes=self.passes,
        )  # fmt: skip


@dataclass(frozen=True)
class GraphTransfer:
    """The stages of one network, `size` and `cutoff_angstrom` being its body's.

    make_head  a fresh head on the body's features
    body       what an earlier run has left; None: it is learned from `source` first
    """

    task: GraphTask
    size: CgcnnSettings
    cutoff_angstrom: float
    how: GraphTransferSettings
    make_head: Callable[[], nn.Module]
    source: GraphTask | None = None
    body: Callable[[], CrystalBody] | None = None

    def stages(self, epochs: int, seeded: Seeded) -> list[Stage]:
        """`epochs` of the target's, the frozen ones and the slow ones together; those on the source
        come before and are not counted.
        """
        frozen = self.how.frozen(epochs)
        found = [Stage(frozen, partial(self._frozen, frozen, seeded))]
        if frozen < epochs:
            found.append(Stage(epochs - frozen, partial(self._slow, epochs - frozen, seeded)))
        if self.body is None and self.source is not None:
            long = self.how.source_epochs
            found.insert(0, Stage(long, partial(self._source, long, seeded), counted=False))
        return found

    def _source(self, epochs: int, seeded: Seeded, before: nn.Module | None) -> Fit:
        assert self.source is not None
        make = partial(Cgcnn, self.size, self.cutoff_angstrom, self.source.objective.outputs)
        return self.source.fit(make, epochs, seeded(0))

    def _frozen(self, epochs: int, seeded: Seeded, before: nn.Module | None) -> Fit:
        """A new head on the body's features of the training rows, which are computed once."""
        features = _Features(self.task)
        body = self._body(before)
        body.to(self.task.device).requires_grad_(False)
        # A fit to be restored gets its scaling with its weights.
        start = before is not None or self.body is not None
        known = features.of(body)[self.task.rows].cpu() if start else torch.zeros(1, body.width)
        make = partial(self._headed, body, Standardise(known))
        return self.task.fit(make, epochs, seeded(1), features.headed)

    def _slow(self, epochs: int, seeded: Seeded, before: nn.Module | None) -> Fit:
        """All of it, from where it is; normalisation keeps the statistics of the source."""
        slow = replace(self.task.settings, lr=self.task.settings.lr * self.how.slower)
        task = replace(self.task, settings=slow)
        if before is not None:
            return task.fit(lambda: before.requires_grad_(True), epochs, seeded(2))
        body = blank_body(self.size, self.cutoff_angstrom)
        empty = Standardise(torch.zeros(1, body.width))
        return task.fit(partial(self._headed, body, empty), epochs, seeded(2))

    def _headed(self, body: CrystalBody, scaling: Standardise) -> Headed:
        # `train` is what stills the normalisation of a body that was just made.
        return Headed(body, scaling, self.make_head(), still=True).train()

    def _body(self, before: nn.Module | None) -> CrystalBody:
        if before is not None:
            return body_from(before.state_dict(), self.size, self.cutoff_angstrom)
        return blank_body(self.size, self.cutoff_angstrom) if self.body is None else self.body()


class _Features:
    """What a frozen body says of all crystals, (n, width) float32: computed once."""

    def __init__(self, task: GraphTask) -> None:
        self._task = task
        self._known: Tensor | None = None

    def of(self, body: nn.Module) -> Tensor:
        if self._known is None:
            rows = torch.arange(len(self._task.graphs))
            body.eval()
            with torch.autocast(self._task.device.type, enabled=False):
                say = partial(self._task.seen, body)
                self._known = without_gradients(say, rows, self._task.passes)
        return self._known

    def headed(self, network: nn.Module, rows: Tensor) -> Tensor:
        """The forward pass of a `Headed` whose body stays as it is."""
        assert isinstance(network, Headed)
        known = self.of(network.extractor)
        return torch.as_tensor(network.head(network.scaling(known[sent(rows, known.device)])))
