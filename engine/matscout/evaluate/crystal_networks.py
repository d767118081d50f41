"""From params to the network of one fold of a crystal-graph trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from matscout.evaluate.crystal_data import CrystalData
from matscout.evaluate.crystal_source import SourceRun, SourceTable
from matscout.evaluate.lockstep import NetworkFold
from matscout.models import hyperparameters as hyper
from matscout.models.cgcnn import Cgcnn, CrystalBody, body_from, crystal_head
from matscout.models.fit import Fit
from matscout.models.fitting import Fitting
from matscout.models.graph_transfer import GraphTask, GraphTransfer
from matscout.models.metrics import Task
from matscout.models.multitask import Heads
from matscout.models.objective import Objective
from matscout.models.passes import Passes
from matscout.models.side_by_side import SideBySide
from matscout.models.staged import Staged
from matscout.models.task_objective import TaskObjective
from matscout.models.uncertainty.objective import UncertainObjective
from matscout.models.uncertainty.thinned_fit import ThinnedFit

if TYPE_CHECKING:
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer

_MEMBER, _STAGE = 2, 3
"""What begins the spawn keys of members and stages; a `Fit` takes 0 and 1 of its own."""


@dataclass(frozen=True)
class Networks:
    """All that the folds of one trial have in common."""

    trainer: CrystalGraphTrainer
    data: CrystalData
    params: Mapping[str, Any]
    seed: int
    device: torch.device

    def fold(self, number: int) -> NetworkFold:
        train, judge = self.data.folds[number]
        objective = self._objective(train)
        graphs = self.data.graphs(self.graph_by, self.trainer.graph_cache, self.device)
        task = GraphTask(graphs, objective, self.fit_by, train, self._passes(graphs), self.device)
        y = self.data.crystals.target
        return NetworkFold(self._fitting(task, number), objective, judge, y[judge])

    def _objective(self, train: np.ndarray) -> Objective:
        y, task = self.data.crystals.target, cast(Task, self.trainer.task)
        if self.data.crystals.others is not None:
            how = hyper.settings(hyper.GraphTaskSettings, self.params)
            Y = np.column_stack([y, self.data.crystals.others])
            return TaskObjective(Y, train, self.fit_by, self.device, how)
        if self.trainer.uncertain:
            self.unsure.check(self.fit_by, self.size.dropout)
            return UncertainObjective(y, train, self.fit_by, self.device, self.unsure)
        return Objective(task, y, train, self.fit_by, self.device, classes=self.data.classes)

    def _fitting(self, task: GraphTask, number: int) -> Fitting:
        """One network, or the several that this fold's belief comes from."""
        if not self.trainer.uncertain or self.unsure.uncertainty == "evidential":
            return self._network(task, number, ())
        if self.unsure.uncertainty == "deep_ensemble":
            places = range(self.unsure.members)
            return SideBySide([self._network(task, number, (_MEMBER, m)) for m in places])
        return ThinnedFit(self._network(task, number, ()), self.unsure.passes, self.seed)

    @property
    def fit_by(self) -> hyper.FitSettings:
        return hyper.settings(hyper.FitSettings, self.params)

    @property
    def graph_by(self) -> hyper.GraphSettings:
        return hyper.settings(hyper.GraphSettings, self.params)

    @property
    def size(self) -> hyper.CgcnnSettings:
        return hyper.settings(hyper.CgcnnSettings, self.params)

    @property
    def unsure(self) -> hyper.GraphUncertaintySettings:
        return hyper.settings(hyper.GraphUncertaintySettings, self.params)

    def _network(self, task: GraphTask, number: int, place: tuple[int, ...]) -> Fit | Staged:
        """Of fold `number`, with a seed of its own for its `place` in an ensemble."""
        cutoff, outputs = self.graph_by.cutoff_angstrom, task.objective.outputs
        how = hyper.settings(hyper.GraphTransferSettings, self.params)
        seeded = partial(_seeded, (self.seed, number), place)
        make_head = crystal_head if self.data.crystals.others is None else crystal_heads
        if self.data.source is None or how.transfer == "scratch":
            make = partial(Cgcnn, self.size, cutoff, outputs, make_head)
            return task.fit(make, self.trainer.epochs, seeded())
        transfer = GraphTransfer(
            task, self.size, cutoff, how, partial(make_head, self.size, outputs),
            self._source(how, number), self._body(number),
        )  # fmt: skip
        return Staged(transfer.stages(self.trainer.epochs, partial(seeded, _STAGE)))

    def _source(self, how: hyper.GraphTransferSettings, number: int) -> GraphTask | None:
        """The other property, as fold `number` may learn it: by the same hyperparameters, but for its
        own rate and what is for rare targets."""
        source = self.data.source
        if not isinstance(source, SourceTable):
            return None
        own = self.fit_by
        loss = "mse" if own.loss == "focal" else own.loss
        plain = replace(own, lr=how.source_lr, loss=loss, weights="none", batches="shuffled")
        rows = source.rows[number]
        objective = Objective("regression", source.target, rows, plain, self.device)
        graphs = source.graphs.on(self.graph_by, self.trainer.graph_cache, self.device)
        return GraphTask(graphs, objective, plain, rows, self._passes(graphs), self.device)

    def _body(self, number: int) -> partial[CrystalBody] | None:
        source = self.data.source
        if not isinstance(source, SourceRun):
            return None
        weights = {k: torch.from_numpy(v.copy()) for k, v in source.weights[number].items()}
        return partial(body_from, weights, self.size, self.graph_by.cutoff_angstrom)

    def _passes(self, graphs: Any) -> Passes:
        return Passes(graphs.sizes, self.trainer.most_at_once, self.trainer.mixed_precision)


def crystal_heads(size: hyper.CgcnnSettings, tasks: int) -> Heads:
    """A head of its own for each task on the body that they share."""
    return Heads(crystal_head(size, 1) for _ in range(tasks))


def _seeded(words: tuple[int, int], place: tuple[int, ...], *more: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(words, spawn_key=(*place, *more))
