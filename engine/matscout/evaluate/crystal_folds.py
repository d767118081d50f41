"""What a crystal-graph trainer does with its data, params and folds."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from matscout.clock import SystemClock
from matscout.data.splits import Fold, split
from matscout.data.structures import StructureSet, load_structures
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.keeper import Keeper
from matscout.evaluate.lockstep import Lockstep, NetworkFold
from matscout.evaluate.trainer_options import check_folds, digest, write_predictions
from matscout.models import hyperparameters as hyper
from matscout.models.cgcnn import Cgcnn
from matscout.models.crystal_graph import GraphTable, crystal_graphs
from matscout.models.fit import Fit
from matscout.models.metrics import Metric, Task, dummy_score, metric
from matscout.models.neighbors import structure_key
from matscout.models.objective import Objective
from matscout.models.passes import Passes
from matscout.trial import Measurement, Report

if TYPE_CHECKING:
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer

log = logging.getLogger(__name__)

GRAPH_TABLES = 4  # settings of the graph remembered at once; a sweep seldom varies them


@dataclass(frozen=True)
class CrystalData:
    """Crystals, folds, what a dummy scores on each fold, and the graphs made so far."""

    crystals: StructureSet
    folds: list[Fold]
    metric: Metric
    dummies: list[float]
    digest: str
    classes: int
    _tables: dict[tuple[hyper.GraphSettings, str], GraphTable] = field(default_factory=dict)

    def graphs(
        self, settings: hyper.GraphSettings, cache: Path | None, device: torch.device
    ) -> GraphTable:
        """All crystals as graphs, on `device`."""
        key = (settings, str(device))
        if key not in self._tables:
            made = crystal_graphs(self.crystals.structures, settings, cache)
            while len(self._tables) >= GRAPH_TABLES:
                self._tables.pop(next(iter(self._tables)))
            self._tables[key] = GraphTable(made, device)
        return self._tables[key]


def load(trainer: CrystalGraphTrainer) -> CrystalData:
    """Read the crystals and draw the folds. InputError for whatever a person can mend."""
    task = cast(Task, trainer.task)
    crystals = load_structures(trainer.structures, trainer.predict)
    y = crystals.target
    classes = _classes(y, trainer) if task == "classification" else 0
    chosen = metric(trainer.metric, task, classes)
    formulas = [structure.composition.reduced_formula for structure in crystals.structures]
    folds = split(
        trainer.split, y, folds=trainer.folds, repeats=trainer.repeats, fraction=trainer.fraction,
        groups=formulas, classes=task == "classification", seed=trainer.split_seed,
    )  # fmt: skip
    check_folds(folds, y, task, chosen.sees)
    keys = "".join(structure_key(structure, 0.0) for structure in crystals.structures)
    return CrystalData(
        crystals,
        folds,
        chosen,
        [dummy_score(chosen, y[train], y[judge]) for train, judge in folds],
        digest(keys, y, *(rows for fold in folds for rows in fold)),
        classes,
    )


def by_epochs(
    trainer: CrystalGraphTrainer, data: CrystalData, params: Mapping[str, Any], context: Context
) -> Iterator[Report | Measurement]:
    """The networks of all folds side by side, epoch after epoch."""
    device = torch.device(context.device)
    graph_by = hyper.settings(hyper.GraphSettings, params)
    graphs = data.graphs(graph_by, trainer.graph_cache, device)
    parts = [
        _network_fold(trainer, data, params, graphs, fold, context.seed, device)
        for fold in range(len(data.folds))
    ]
    # Parts change what batch normalisation sees; runs of old had none, and their prints stay.
    cut = f" {trainer.most_at_once}" if trainer.most_at_once else ""
    print_of = trainer.fingerprint(data.digest + cut, params, context.seed)
    keeper = Keeper(context.checkpoints, print_of, trainer.cadence)
    run = Lockstep(parts, data.metric, trainer.epochs, trainer.target_name, keeper)
    clock = SystemClock()
    begun_s = clock.monotonic()
    finished = yield from run.train(context)
    write_throughput(parts, clock.monotonic() - begun_s, context)
    if not finished:
        return
    y = data.crystals.target
    rows = [
        (int(row), number, float(y[row]), float(value))
        for number, part in enumerate(parts)
        for row, value in zip(part.judge, part.predictions(data.metric), strict=True)
    ]
    write_predictions(context.workdir, data.crystals.ids, rows)
    yield trainer.measurement(run.last, data.dummies, data.metric.sign, "crystal-graph trainer")


def write_throughput(parts: Sequence[NetworkFold], seconds: float, context: Context) -> None:
    """Training structures a second of this attempt, judging and checkpoints included."""
    seen = sum(part.fit.rows_seen for part in parts)
    rate = seen / seconds if seconds > 0 else 0.0
    log.info("trial %d: %.0f structures/s on %s", context.trial, rate, context.device)
    if context.workdir is None:
        return
    about = {"structures": seen, "seconds": seconds, "structures_per_s": rate}
    context.workdir.mkdir(parents=True, exist_ok=True)
    draft = context.workdir / f".throughput.{os.getpid()}"
    draft.write_text(json.dumps({**about, "device": context.device}) + "\n", encoding="utf-8")
    os.replace(draft, context.workdir / "throughput.json")


def _network_fold(
    trainer: CrystalGraphTrainer,
    data: CrystalData,
    params: Mapping[str, Any],
    graphs: GraphTable,
    number: int,
    seed: int,
    device: torch.device,
) -> NetworkFold:
    train, judge = data.folds[number]
    y = data.crystals.target
    fit_by = hyper.settings(hyper.FitSettings, params)
    size = hyper.settings(hyper.CgcnnSettings, params)
    cutoff = hyper.settings(hyper.GraphSettings, params).cutoff_angstrom
    objective = Objective(cast(Task, trainer.task), y, train, fit_by, device, classes=data.classes)
    fit = Fit(
        partial(Cgcnn, size, cutoff, objective.outputs),
        lambda network, rows: network(graphs.batch(rows)),
        objective,
        fit_by,
        train,
        epochs=trainer.epochs,
        seed=np.random.SeedSequence([seed, number]),
        device=device,
        passes=Passes(graphs.sizes, trainer.most_at_once, trainer.mixed_precision),
    )
    return NetworkFold(fit, objective, judge, y[judge])


def _classes(y: np.ndarray, trainer: CrystalGraphTrainer) -> int:
    labels = np.unique(y)
    if not np.array_equal(labels, np.arange(len(labels))) or len(labels) < 2:
        raise InputError(
            str(trainer.structures), f"classes must be 0, 1, …, but '{trainer.predict}' holds"
            f" {', '.join(f'{label:g}' for label in labels[:5])}",
        )  # fmt: skip
    return len(labels)
