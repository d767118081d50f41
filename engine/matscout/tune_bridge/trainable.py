"""Our trainers as a class that Ray Tune trains, saves, restores and perturbs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.tune import Trainable

from matscout.bounded_read import read_bounded
from matscout.checkpoint import Checkpoint, CheckpointStore
from matscout.cli import registry
from matscout.drive.config import Part, parse_config, read_toml
from matscout.durable_file import write_durably
from matscout.errors import InputError, RunFailed
from matscout.evaluate.base import Context
from matscout.evaluate.trainer_options import TrainerOptions
from matscout.fleet.lent import lent_device
from matscout.json_text import parsed_json
from matscout.models.perturb import check_perturbation, perturbed
from matscout.trial import Measurement, Report
from matscout.tune_bridge.ending import FINISHED

ABOUT = "trial.json"
"""Beside the weights in a Tune checkpoint: which params, which seed, how many steps."""


def trainable(
    trainer: Mapping[str, Any] | str | Path, *, base: str | Path = ".", seed: int = 0
) -> type[Trainable]:
    """A class for `tune.Tuner`: one of our trainers with its data, trained step by step.

    trainer  a config's [evaluator] table ({"type": "tabular", "table": …}), or the path of a config
    base     the folder that relative paths in a table start from; for a config it is its own
    seed     of weights, batches and trees, the same for every trial, unless a trial's config says
             `seed`

    A trial's config holds hyperparameters (docs/configs.md) and nothing else. A step is an epoch, or
    a fold for models that have none, and reports the trainer's target; the last one also its
    standard error as TARGET_sem, and `finished` and `done`. InputError, before anything starts, for
    what is wrong with the table or its data.
    """
    if not isinstance(trainer, Mapping):
        base = Path(trainer).absolute().parent
        part = parse_config({"kind": "sweep", **read_toml(Path(trainer))[0]}).evaluator
        assert part is not None  # parse_config saw to it
    else:
        kind = trainer.get("type")
        if not isinstance(kind, str):
            raise InputError("trainer.type", "is missing", "tabular or crystal_graph")
        part = Part(type=kind, **{str(k): v for k, v in trainer.items() if k != "type"})
    make = partial(registry.evaluator, part.type, part.options, str(Path(base).absolute()))
    built = make()
    if not isinstance(built, TrainerOptions):
        what = f"{part.type!r} trains nothing step by step"
        raise InputError("trainer.type", what, "use tabular or crystal_graph")
    built.check(())  # type: ignore[attr-defined]
    names = {"_make": staticmethod(make), "_seed": seed}
    made: type[Trainable] = type(f"{part.type}_trainer", (TrainerTrainable,), names)
    return made


class TrainerTrainable(Trainable):
    """Made by `trainable`. Checkpoints are safetensors and JSON, written when Tune asks for one.

    Under population based training a restored network goes on with perturbed lr, weight_decay,
    momentum, clip, batch_size or dropout; a change of anything else is refused.
    """

    _make: Callable[[], Any]
    _seed: int
    _said: Iterator[Report | Measurement] | None
    _store: CheckpointStore
    _done: int

    # -- what Tune calls ----------------------------------------------------------------------

    def setup(self, config: dict[str, Any]) -> None:
        built = self._make()
        # A state is saved at the last epoch; and where `should_stop` turns true, so when asked.
        self._trainer: Any = replace(
            built, checkpoint_epochs=built.epochs, checkpoint_s=0.0, checkpoint_batches=0
        )
        self._device = lent_device(ray.is_initialized() and bool(ray.get_gpu_ids()))
        self._home = Path(tempfile.mkdtemp(prefix="matscout-tune-"))
        self._begin(config)

    def step(self) -> dict[str, Any]:
        if self._said is None:
            self._said = self._trainer.evaluate(self._params, self._context())
        assert self._said is not None
        for said in self._said:
            if isinstance(said, Measurement):
                return self._measured(said)
            # After a restore the last report comes again. After the last step the measurement
            # follows at once.
            if said.step > self._done:
                self._done = said.step
                if self._done < self._last_step:
                    return {**said.values, FINISHED: False}
        raise RunFailed("the trainer ended without a measurement")

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        if self._said is not None:
            self._leaving = True
            for _ in self._said:  # it saves itself and returns
                pass
            self._said, self._leaving = None, False
        found = self._store.load()
        if found is not None:
            CheckpointStore(Path(checkpoint_dir), keep=1).save(found)
        about = {"params": self._params, "seed": self._own_seed, "step": self._done}
        write_durably(Path(checkpoint_dir) / ABOUT, json.dumps(about).encode())

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Go on from `save_checkpoint`, of this trial or of one that it is to be like."""
        folder, warnings = Path(checkpoint), list[str]()
        try:
            about = parsed_json(read_bounded(folder / ABOUT))
            params, seed, step = about["params"], about["seed"], about["step"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFailed(f"{folder / ABOUT} cannot be read ({error!s:.80})") from None
        found = CheckpointStore(folder).load(warnings)
        if found is None and (step or warnings):
            raise RunFailed(f"no sound checkpoint in {folder}: {' '.join(warnings)}")
        self._clear()
        if found is not None:
            self._store.save(self._mine(found, params, seed, str(folder)))
        self._done = step

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        self._said = None
        shutil.rmtree(self._home, ignore_errors=True)

    # -- how ----------------------------------------------------------------------------------

    def _begin(self, config: Mapping[str, Any]) -> None:
        self._params = {key: value for key, value in config.items() if key != "seed"}
        self._own_seed = int(config.get("seed", self._seed))
        self._clear()

    def _clear(self) -> None:
        self._said, self._leaving, self._done = None, False, 0
        self._store = CheckpointStore(self._home / "checkpoints", keep=1)
        shutil.rmtree(self._store.folder, ignore_errors=True)

    def _context(self) -> Context:
        return Context(
            seed=self._own_seed,
            device=self._device,
            workdir=Path(self.logdir) if self.logdir and os.path.isdir(self.logdir) else None,
            checkpoints=self._store,
            should_stop=lambda: self._leaving,
        )

    @property
    def _by_epochs(self) -> bool:
        return getattr(self._trainer, "model", "mlp") == "mlp"  # crystal graphs name no model

    @property
    def _last_step(self) -> int:
        if self._by_epochs:
            return int(self._trainer.epochs)
        shares = self._trainer.fidelity == "rows"
        return int(self._trainer.fidelity_steps[-1] if shares else len(self._trainer.data.folds))

    def _measured(self, said: Measurement) -> dict[str, Any]:
        self._said = None
        sems = {f"{name}_sem": sem for name, sem in said.sem.items()}
        return {**said.values, **sems, FINISHED: True, "done": True}

    def _mine(
        self, found: Checkpoint, params: Mapping[str, Any], seed: int, where: str
    ) -> Checkpoint:
        """A checkpoint of a trial with `params` and `seed` as one of this trial."""
        if self._fingerprint(params, seed) != found.state.get("fingerprint"):
            raise RunFailed(f"the checkpoint in {where} belongs to other data or options")
        if (params, seed) == (self._params, self._own_seed):
            return found
        if not self._by_epochs:
            what = "a model that is fitted fold by fold takes nothing over from another"
            raise InputError("trainer.model", what, "use mlp or crystal_graph with PBT")
        old, new = self._given(params), self._given(self._params)
        check_perturbation(old, new)
        state = {**found.state, "fingerprint": self._fingerprint(self._params, self._own_seed)}
        state["folds"] = [perturbed(fold, old, new) for fold in found.state["folds"]]
        # Steps count moves in batches of the old size: what is saved next must not seem to be there.
        return replace(found, step=0, state=state)

    def _given(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._trainer.hyperparameters, **params}

    def _fingerprint(self, params: Mapping[str, Any], seed: int) -> str:
        data = self._trainer.data.digest
        return str(self._trainer.fingerprint(data, self._given(params), seed))
