"""What a crystal-graph network may learn before its own target: a table of another property, or what
an earlier run has left. Nothing comes from a composition that the fold at hand judges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pymatgen.core import Structure

from matscout.data.splits import Fold
from matscout.data.structures import load_structures
from matscout.errors import InputError
from matscout.evaluate.drawn_graphs import DrawnGraphs
from matscout.evaluate.kept_networks import kept_networks, networks_digest
from matscout.evaluate.trainer_options import digest
from matscout.history import History
from matscout.journal import Journal
from matscout.models import hyperparameters as hyper
from matscout.models.neighbors import structure_key
from matscout.runfolder import RunFolder
from matscout.trial import Trial

if TYPE_CHECKING:
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer

_WHERE = "trainer.source_run"


@dataclass(frozen=True)
class SourceTable:
    """Crystals with the property `target` (n,); `rows[k]` may be learned where fold k judges."""

    graphs: DrawnGraphs
    target: np.ndarray
    rows: list[np.ndarray]
    digest: str


@dataclass(frozen=True)
class SourceRun:
    """`weights[k]`, by name, of a network that has seen no composition that fold k judges; the
    hyperparameters that say its body's shape; the trial that has left it, with the digest of all its
    networks; and `elements[k]`, which that network knows."""

    weights: Sequence[Mapping[str, np.ndarray]]
    shape: Mapping[str, Any]
    digest: str
    trial: int
    networks: str
    elements: Sequence[frozenset[str]]


Source = SourceTable | SourceRun


def compositions(structures: Sequence[Structure]) -> np.ndarray:
    """Reduced formulas, (n,) of text."""
    return np.array([structure.composition.reduced_formula for structure in structures])


def source_of(
    trainer: CrystalGraphTrainer, formulas: np.ndarray, folds: Sequence[Fold]
) -> Source | None:
    """What `trainer` starts from, if anything; `formulas` (n,) are those of its own crystals."""
    judged = [set(formulas[judge].tolist()) for _, judge in folds]
    if trainer.source is not None:
        return _table(trainer.source, trainer.source_predict or trainer.predict, judged)
    if trainer.source_run is not None:
        return _run(trainer.source_run, judged, trainer.source_trial, trainer.source_digest)
    return None


def _table(path: Path, target: str, judged: Sequence[set[str]]) -> SourceTable:
    found = load_structures(path, target)
    formulas = compositions(found.structures)
    rows = [np.flatnonzero([formula not in hidden for formula in formulas]) for hidden in judged]
    for fold, left in enumerate(rows):
        if len(left) < 2:
            what = f"{len(left)} of its crystals have a composition that fold {fold} does not judge"
            raise InputError(str(path), what, "bring more, or take another source")
    keys = "".join(structure_key(structure, 0.0) for structure in found.structures)
    return SourceTable(
        DrawnGraphs(found.structures), found.target, rows, digest(keys, found.target, *rows)
    )


def _run(path: Path, judged: Sequence[set[str]], number: int | None, networks: str) -> SourceRun:
    """Of the trial `number`, whose networks have the digest `networks`; None: of the best, and empty:
    whatever they are."""
    folder = RunFolder(path.absolute())
    if not folder.holds_run:
        raise InputError(_WHERE, f"no run is at {path}", "name the folder of a run")
    history = History()
    with Journal.read_only(folder) as journal:
        for event in journal.read():
            history.apply(event)
    trainer, trial = _plain_trainer(path, history), _trial(path, history, number)
    given = {**trainer.hyperparameters, **trial.params}
    kept = kept_networks(_WHERE, path, trial, trainer, history.created["seed"])
    found = networks_digest(kept)
    if networks not in ("", found):
        what = f"trial {trial.id} of {path} has other networks than those that this run began with"
        raise InputError(_WHERE, what, "bring them back, or begin a new run")
    seen = compositions(trainer.data.crystals.structures)
    known = [set(seen[train].tolist()) for train, _ in trainer.data.folds]
    weights, elements = [], []
    for fold, hidden in enumerate(judged):
        free = [number for number, learned in enumerate(known) if not learned & hidden]
        if not free:
            least = min(len(learned & hidden) for learned in known)
            what = f"every network of {path} has learned {least} or more compositions that fold"
            mend = "name its table under source instead: it leaves them out"
            raise InputError(_WHERE, f"{what} {fold} judges", mend)
        start = f"fold{free[0]}/weights/"
        if not any(name.startswith(start) for name in kept.arrays):
            mend = "name a run whose folds are one network each"
            raise InputError(_WHERE, f"the networks of {path} are ensembles", mend)
        weights.append(
            {k.removeprefix(start): v for k, v in kept.arrays.items() if k.startswith(start)}
        )
        learned = (trainer.data.crystals.structures[row] for row in trainer.data.folds[free[0]][0])
        elements.append(frozenset(site.specie.symbol for one in learned for site in one))
    shape = {
        name: value
        for kind in (hyper.GraphSettings, hyper.CgcnnSettings)
        for name, value in _fields(hyper.settings(kind, given))
        if name in hyper.BODY
    }
    own = digest(str(kept.state["fingerprint"]), str(kept.step))
    return SourceRun(weights, shape, own, trial.id, found, elements)


def _trial(path: Path, history: History, number: int | None) -> Trial:
    if number is None:
        best = history.best()
        if best is None:
            what = f"no trial of {path} has a value yet"
            raise InputError(_WHERE, what, f"matscout resume {path}")
        return best
    if number >= len(history.trials) or not history.trials[number].values:
        what = f"trial {number} of {path}, which this run begins with, is not there"
        raise InputError(_WHERE, what, "bring it back, or begin a new run")
    return history.trials[number]


def _fields(settings: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(settings, field.name)) for field in fields(settings)]


def _plain_trainer(path: Path, history: History) -> CrystalGraphTrainer:
    """As the run has it. InputError unless each of its folds is one network that began afresh."""
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer

    part = dict(history.created.get("config", {}).get("evaluator") or {})
    kind = part.pop("type", "none")
    if kind != "crystal_graph":
        raise InputError(_WHERE, f"{path} is a run of {kind}", "name one of crystal_graph")
    if part.get("source") or part.get("source_run"):
        what = f"the networks of {path} began with another source themselves"
        raise InputError(_WHERE, what, "name a run that began afresh")
    base = Path(history.created.get("origin", {}).get("path", "")).absolute().parent
    paths = {k: base / part[k] for k in ("structures", "graph_cache") if part.get(k)}
    try:
        trainer = CrystalGraphTrainer(**{**part, **paths})
        _ = trainer.data
    except InputError as error:
        raise error.within(f"{_WHERE}: {path}") from None
    return trainer
