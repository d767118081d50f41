"""Crystals, a crystal-graph network and a split, as an evaluator: params in, score out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matscout.errors import InputError, did_you_mean
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_options import TrainerOptions
from matscout.models import hyperparameters as hyper
from matscout.trial import Measurement, Params, Report

if TYPE_CHECKING:
    from matscout.evaluate.crystal_folds import CrystalData

HYPERPARAMETERS = hyper.names(hyper.GraphSettings, hyper.CgcnnSettings, hyper.FitSettings)
SPLITS = ("holdout", "kfold", "repeated", "stratified", "grouped")


@dataclass(frozen=True, kw_only=True)
class CrystalGraphTrainer(TrainerOptions):
    """Learns the number called `predict` of the crystals in `structures`, as `load_structures`
    reads them, with a network of the CGCNN kind, on the device that the fleet has lent.

    `split` is a fixed holdout of `fraction` by default; a grouped split keeps polymorphs (equal
    reduced formulas) together. Hyperparameters are the fields of GraphSettings, CgcnnSettings and
    FitSettings. Neighbour lists are kept in the folder `graph_cache`, if given, between processes.

    `most_at_once` bounds the atoms and bonds that go through the network together: a bigger batch is
    taken in parts of crystals of like size, whose gradients add up (0: no bound). Where a device runs
    out of memory, parts are halved and the batch stays as it is. `mixed_precision` has effect on CUDA
    alone. Structures a second are logged and written to throughput.json in the attempt's folder.

    A step is an epoch of every fold. Checkpoints come every `checkpoint_epochs` epochs, and inside
    an epoch after `checkpoint_s` seconds or `checkpoint_batches` batches.
    """

    structures: Path
    predict: str = "target"
    split: str = "holdout"
    graph_cache: Path | None = None
    most_at_once: int = 0
    mixed_precision: bool = False

    costly = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "structures", Path(self.structures))
        if self.graph_cache is not None:
            object.__setattr__(self, "graph_cache", Path(self.graph_cache))
        if self.split not in SPLITS:
            raise InputError(
                "trainer.split", f"no split is '{self.split}'", did_you_mean(self.split, SPLITS)
            )
        most = self.most_at_once
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            raise InputError("trainer.most_at_once", f"must be a whole number >= 0, got {most!r}")
        if not isinstance(self.mixed_precision, bool):
            what = f"must be true or false, got {self.mixed_precision!r}"
            raise InputError("trainer.mixed_precision", what)
        hyper.check_names(self.hyperparameters, HYPERPARAMETERS, "trainer.hyperparameters")

    def check(self, names: Iterable[str]) -> None:
        """Before a run: read the data, and see that every parameter of the space is known here."""
        hyper.check_names(names, HYPERPARAMETERS, "space.parameters")
        _ = self.data

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        """A report with the judging rows' score after each epoch, then the measurement."""
        from matscout.evaluate import crystal_folds

        given: Mapping[str, Any] = {**self.hyperparameters, **params}
        hyper.check_names(given, HYPERPARAMETERS)
        return crystal_folds.by_epochs(self, self.data, given, context)

    def shared(self) -> CrystalData:
        """Crystals and folds, and graphs as the fixed hyperparameters make them."""
        import torch

        settings = hyper.settings(hyper.GraphSettings, self.hyperparameters)
        self.data.graphs(settings, self.graph_cache, torch.device("cpu"))
        return self.data

    def adopt(self, shared: CrystalData) -> None:
        self.__dict__["data"] = shared

    @cached_property
    def data(self) -> CrystalData:
        """Read once in a process, and then the same for every trial."""
        from matscout.evaluate.crystal_folds import load

        return load(self)
