"""The crystals of a trainer, their folds, and what is learned before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from matscout.data.splits import Fold, split
from matscout.data.structures import StructureSet, load_structures
from matscout.errors import InputError
from matscout.evaluate.crystal_source import Source, SourceRun, compositions, source_of
from matscout.evaluate.crystal_tasks import check_tasks, with_gaps
from matscout.evaluate.drawn_graphs import DrawnGraphs
from matscout.evaluate.trainer_options import check_folds, digest
from matscout.models import hyperparameters as hyper
from matscout.models.crystal_graph import GraphTable
from matscout.models.metrics import Metric, Task, dummy_score, metric
from matscout.models.neighbors import structure_key

if TYPE_CHECKING:
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer


@dataclass(frozen=True)
class CrystalData:
    """Crystals, folds, what a dummy scores on each fold, the graphs made so far, and what a network
    learns first, if anything."""

    crystals: StructureSet
    folds: list[Fold]
    metric: Metric
    dummies: list[float]
    digest: str
    classes: int
    drawn: DrawnGraphs
    source: Source | None = None

    def graphs(
        self, settings: hyper.GraphSettings, cache: Path | None, device: torch.device
    ) -> GraphTable:
        """All crystals as graphs, on `device`."""
        return self.drawn.on(settings, cache, device)

    def draw(self, params: Mapping[str, Any], cache: Path | None) -> None:
        """Make the graphs that `params` ask for, where they are made for all devices."""
        settings = hyper.settings(hyper.GraphSettings, self.shaped(params))
        for drawn in (self.drawn, getattr(self.source, "graphs", None)):
            if drawn is not None:
                drawn.on(settings, cache, torch.device("cpu"))

    def shaped(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """With the body's shape as an earlier run has it. InputError where `params` want another."""
        shape = self.source.shape if isinstance(self.source, SourceRun) else {}
        for name, value in shape.items():
            if params.get(name, value) != value:
                what = f"is {params[name]!r}, and the network of source_run has {value!r}"
                raise InputError(f"{hyper.WHERE}.{name}", what, "leave it out")
        return {**params, **shape}


def load(trainer: CrystalGraphTrainer) -> CrystalData:
    """Read the crystals and draw the folds. InputError for whatever a person can mend.

    Only crystals whose target is known judge; those that have another number alone, train.
    """
    task = cast(Task, trainer.task)
    crystals = load_structures(trainer.structures, trainer.predict, trainer.also_predict)
    y, others = crystals.target, crystals.others
    classes = _classes(y, trainer) if task == "classification" else 0
    chosen = metric(trainer.metric, task, classes, believes=True)
    if chosen.sees == "belief" and not trainer.uncertain:
        what = f"'{chosen.name}' judges a stated uncertainty, and none is stated"
        raise InputError("trainer.metric", what, "say uncertain = true")
    formulas = compositions(crystals.structures)
    known = np.flatnonzero(np.isfinite(y))
    drawn = split(
        trainer.split, y[known], folds=trainer.folds, repeats=trainer.repeats,
        fraction=trainer.fraction, groups=formulas[known], classes=task == "classification",
        seed=trainer.split_seed,
    )  # fmt: skip
    folds = [(known[train], known[judge]) for train, judge in drawn]
    check_folds(folds, y, chosen)
    dummies = [dummy_score(chosen, y[train], y[judge]) for train, judge in folds]
    if others is not None:
        folds = with_gaps(folds, y, formulas if trainer.split == "grouped" else None)
        check_tasks(trainer, folds, others)
    keys = "".join(structure_key(structure, 0.0) for structure in crystals.structures)
    beside: tuple[np.ndarray | str, ...] = () if others is None else (others, *trainer.also_predict)
    own = digest(keys, y, *(rows for fold in folds for rows in fold), *beside)
    source = source_of(trainer, formulas, folds)
    return CrystalData(
        crystals,
        folds,
        chosen,
        dummies,
        own if source is None else digest(own, source.digest),
        classes,
        DrawnGraphs(crystals.structures),
        source,
    )


def _classes(y: np.ndarray, trainer: CrystalGraphTrainer) -> int:
    labels = np.unique(y)
    if not np.array_equal(labels, np.arange(len(labels))) or len(labels) < 2:
        held = ", ".join(f"{label:g}" for label in labels[:5])
        if len(labels) == 1:
            what, mend = (
                f"'{trainer.predict}' is {held} in every crystal",
                "bring another class too",
            )
        else:
            what, mend = f"'{trainer.predict}' holds {held}", "number its classes 0, 1, …"
        raise InputError(str(trainer.structures), what, mend)
    return len(labels)
