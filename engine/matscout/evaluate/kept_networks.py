"""The networks that a trial of a crystal-graph run has left in its newest checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from matscout.checkpoint import Checkpoint, CheckpointStore
from matscout.errors import InputError
from matscout.evaluate.trainer_options import digest
from matscout.runfolder import RunFolder
from matscout.seeds import trial_seed
from matscout.trial import Trial

if TYPE_CHECKING:
    from matscout.evaluate.trainer_crystal import CrystalGraphTrainer

log = logging.getLogger(__name__)


def kept_networks(
    where: str, path: Path, trial: Trial, trainer: CrystalGraphTrainer, seed: int
) -> Checkpoint:
    """Of a trial of the run in the folder `path`, whose seed is `seed` and whose trainer is `trainer`;
    an InputError begins with `where`: none is left, it is broken, or it belongs to other data.
    """
    broken: list[str] = []
    kept = CheckpointStore(RunFolder(path.absolute()).checkpoints(trial.id)).load(broken)
    for line in broken:
        log.warning("%s", line)
    if kept is None and broken:
        raise InputError(where, f"trial {trial.id} of {path}: {broken[0]}", "train it again")
    if kept is None:
        what = f"trial {trial.id} of {path} has left no checkpoint"
        raise InputError(where, what, "train it again")
    given = {**trainer.hyperparameters, **trial.params}
    if kept.state.get("fingerprint") != trainer.state_print(given, trial_seed(seed, trial.id)):
        what = f"the data of {path} are no longer those that it learned from"
        raise InputError(where, what, "bring them back, or train it again")
    return kept


def networks_digest(kept: Checkpoint) -> str:
    """SHA-256 of every weight and running mean, by name; not of what only training goes on from."""
    names = sorted(name for name in kept.arrays if "/weights/" in name)
    return digest(*(part for name in names for part in (name, kept.arrays[name])))
