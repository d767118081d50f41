"""Crystals, a crystal-graph network and a split, as an evaluator: params in, score out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matscout.errors import InputError, did_you_mean, require_whole
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_options import TrainerOptions, check_first
from matscout.journal import driver_of
from matscout.models import hyperparameters as hyper
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Measurement, Params, Report

if TYPE_CHECKING:
    from matscout.evaluate.crystal_data import CrystalData

_PLAIN = (hyper.GraphSettings, hyper.CgcnnSettings, hyper.FitSettings)
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

    With `source`, structures whose number `source_predict` (`predict`, if empty) is learned first, or
    with `source_run`, the folder of an earlier run whose best trial's networks are taken over, the
    fields of GraphTransferSettings are hyperparameters, too. Compositions that a fold judges are left
    out of what its network learns first; networks of a run that have seen any are refused. Which trial's
    they are, `source_trial` and their `source_digest`, a run writes down when it begins (`pinned`).

    `uncertain` (numbers): the network says how sure it is, and the fields of GraphUncertaintySettings
    are hyperparameters. `nll`, `crps` and other scores of that are measured beside the metric, or one is
    the metric; predictions.csv has both sds of every row.

    `also_predict` are further numbers of the same crystals, learned beside the first with a shared body
    and a head each; then any number may be missing, and the fields of GraphTaskSettings are
    hyperparameters. Each is scored by the metric too, as METRIC.NAME.

    A step is an epoch of every fold; what is learned first belongs to the first step. Checkpoints come
    every `checkpoint_epochs` epochs, and inside one after `checkpoint_s` seconds or
    `checkpoint_batches` batches.
    """

    structures: Path
    predict: str = "target"
    also_predict: tuple[str, ...] = ()
    split: str = "holdout"
    graph_cache: Path | None = None
    most_at_once: int = 0
    mixed_precision: bool = False
    uncertain: bool = False
    source: Path | None = None
    source_predict: str = ""
    source_run: Path | None = None
    source_trial: int | None = None
    source_digest: str = ""

    costly = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "structures", Path(self.structures))
        for name in ("graph_cache", "source", "source_run"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)))
        if self.split not in SPLITS:
            raise InputError(
                "trainer.split", f"no split is '{self.split}'", did_you_mean(self.split, SPLITS)
            )
        most = self.most_at_once
        if not isinstance(most, int) or isinstance(most, bool) or most < 0:
            raise InputError("trainer.most_at_once", f"must be a whole number >= 0, got {most!r}")
        for name in ("mixed_precision", "uncertain"):
            if not isinstance(getattr(self, name), bool):
                what = f"must be true or false, got {getattr(self, name)!r}"
                raise InputError(f"trainer.{name}", what)
        if self.uncertain and self.task != "regression":
            what = "classes have probabilities: how sure a network is, is said of numbers"
            raise InputError("trainer.uncertain", what, "leave it out")
        self._check_source()
        if isinstance(self.also_predict, str):  # a list of its letters
            what = f"must be a list of names, got {self.also_predict!r:.40}"
            raise InputError("trainer.also_predict", what, f"write [{self.also_predict!r:.40}]")
        object.__setattr__(self, "also_predict", tuple(self.also_predict))
        self._check_tasks()
        hyper.check_names(self.hyperparameters, self._known, "trainer.hyperparameters")

    def _check_source(self) -> None:
        if self.source is not None and self.source_run is not None:
            what = "is a second beginning beside source"
            raise InputError("trainer.source_run", what, "leave out one of the two")
        if self.source_predict and self.source is None:
            raise InputError("trainer.source_predict", "there is no source", "name it")
        if self.source_trial is not None:
            require_whole("trainer.source_trial", self.source_trial, 0)
            if self.source_run is None:
                raise InputError("trainer.source_trial", "there is no source_run", "name it")
        if self.source_digest and self.source_trial is None:
            raise InputError("trainer.source_digest", "of which trial, is not said", "leave it out")

    def _check_tasks(self) -> None:
        where, names = "trainer.also_predict", (self.predict, *self.also_predict)
        if len(set(names)) < len(names):
            raise InputError(where, "names a number twice", "name each once")
        if self.also_predict and self.task != "regression":
            raise InputError(where, "is for numbers, and these are classes", "leave it out")
        if self.also_predict and self.uncertain:
            raise InputError(where, "goes with no stated uncertainty", "leave out one of the two")

    @property
    def begins(self) -> bool:
        """With something that is learned first."""
        return self.source is not None or self.source_run is not None

    @property
    def kinds(self) -> tuple[type, ...]:
        """Of hyperparameters, as the options have it."""
        kinds: list[type] = [*_PLAIN]
        kinds += [hyper.GraphTransferSettings] if self.begins else []
        kinds += [hyper.GraphUncertaintySettings] if self.uncertain else []
        kinds += [hyper.GraphTaskSettings] if self.also_predict else []
        return tuple(kinds)

    @property
    def _known(self) -> tuple[str, ...]:
        return hyper.names(*self.kinds)

    def check(self, names: Iterable[str]) -> None:
        """Before a run: read the data, and see that every parameter of the space is known here."""
        names = tuple(names)
        hyper.check_names(names, self._known, "space.parameters")
        check_first(self.data.folds, self.data.metric)
        self.data.shaped(self.hyperparameters)
        if self.begins and "transfer" not in names:
            hyper.settings(hyper.GraphTransferSettings, self.hyperparameters).frozen(self.epochs)
        self._check_source_run_ended()
        varied = [name for name in names if name not in self.hyperparameters]
        fixed = [name for name in varied if name in hyper.BODY]
        if fixed and self.source_run is not None:
            what = "is what the network of source_run has: it cannot vary"
            raise InputError(f"space.parameters.{fixed[0]}", what, "leave it out")

    def _check_source_run_ended(self) -> None:
        """Its best trial may become another one, and then trials of this run would begin differently."""
        if self.source_run is None:
            return
        driver = driver_of(RunFolder(self.source_run.absolute()))
        if driver:
            what = f"{self.source_run} is still running: {driver}"
            raise InputError("trainer.source_run", what, "wait for its end, or interrupt it")

    def pinned(self) -> dict[str, Any]:
        """Options that a run writes down when it begins, so that every sitting of it begins alike.
        InputError where what they name is gone."""
        from matscout.evaluate.crystal_source import SourceRun

        source = self.data.source if self.source_run is not None else None
        if not isinstance(source, SourceRun):
            return {}
        return {"source_trial": source.trial, "source_digest": source.networks}

    def check_space(self, space: Space) -> None:
        """Before a run: InputError for a value of the space with which no trial could be trained."""
        from matscout.evaluate.crystal_space import check_space

        check_space(self, space)

    def reported(self) -> dict[str, str]:
        found = super().reported()
        if self.uncertain:
            from matscout.evaluate.crystal_beliefs import JUDGED
            from matscout.models.metrics import METRICS

            found = {name: METRICS[name].direction for name in JUDGED} | found
        own = found.get(self.target_name, "min")
        return found | {f"{self.metric}.{name}": own for name in self.also_predict}

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        """A report with the judging rows' score after each epoch, then the measurement."""
        from matscout.evaluate import crystal_folds

        given: Mapping[str, Any] = {**self.hyperparameters, **params}
        hyper.check_names(given, self._known)
        return crystal_folds.by_epochs(self, self.data, given, context)

    def fingerprint(self, data: str, params: Params, seed: int) -> str:
        # Parts change what batch normalisation sees; runs of old had none, and their prints stay.
        cut = f" {self.most_at_once}" if self.most_at_once else ""
        kind = " uncertain" if self.uncertain else ""
        return super().fingerprint(data + cut + kind, params, seed)

    def state_print(self, params: Params, seed: int) -> str:
        """What a checkpoint of a trial is signed with."""
        return self.fingerprint(self.data.digest, params, seed)

    def shared(self) -> CrystalData:
        """Crystals and folds, and graphs as the fixed hyperparameters make them."""
        self.data.draw(self.hyperparameters, self.graph_cache)
        return self.data

    def adopt(self, shared: CrystalData) -> None:
        self.__dict__["data"] = shared

    @cached_property
    def data(self) -> CrystalData:
        """Read once in a process, and then the same for every trial."""
        from matscout.evaluate.crystal_data import load

        return load(self)
