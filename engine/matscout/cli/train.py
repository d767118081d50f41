"""`matscout train CONFIG.toml`: one configuration, trained and cross-validated as a run of one trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from matscout.cli import registry
from matscout.cli.assemble import spec_from_dict
from matscout.cli.runs import runs_option, sitting
from matscout.cli.words import tell
from matscout.drive.config import Part, read_toml
from matscout.drive.run import RunSpec, create, load
from matscout.errors import InputError, RunFailed
from matscout.models.hyperparameters import FitSettings, PrepareSettings
from matscout.models.metrics import metric
from matscout.propose.observations import best_of
from matscout.runfolder import RunFolder
from matscout.trial import State

TRAINERS = ("tabular", "crystal_graph")
_OF_A_SEARCH = ("space", "proposer", "early_stopping", "stop", "prior")
_OF_MANY = ("trials", "batch", "ahead", "overlap", "confirm", "cancel_obsolete", "budget_s")


def train(config: Path, runs: Path, overrides: dict[str, Any], json: bool) -> int:
    """Make the run, drive it, and say how to go on with it. Returns the exit code; InputError where
    the configuration cannot learn from these rows, RunFailed where the training broke.
    """
    spec, left = spec_of_one(config, overrides)
    folder = RunFolder.of(spec.name, runs)
    create(folder, spec)
    tell_left(left)
    try:
        code = sitting(folder, {}, None, json)
    except RunFailed:
        trial = load(folder)[0].trials[0]
        if trial.state is not State.FAILED:
            raise
        raise InputError(str(config), trial.reason) from None
    if code:
        return code
    if not json and best_of(load(folder)[0]) is not None:  # none: a person has the word
        new = "NEW.csv" if spec.config["evaluator"]["type"] == "tabular" else "STRUCTURES"
        print(f"next: matscout predict {spec.name} {new} -o predictions.csv{runs_option(folder)}")
    return 0


def spec_of_one(
    config: Path, overrides: dict[str, Any], able: Sequence[str] = TRAINERS
) -> tuple[RunSpec, list[str]]:
    """The config as a run of one trial by one of the trainers `able`, tried out, and the names of its
    parts that belong to a search. Nothing is written.
    """
    raw, digest = read_toml(config)
    try:
        left = [name for name in _OF_A_SEARCH if name in raw]
        one = _of_one(raw, config.absolute().parent, able)
        return spec_from_dict(one, "sweep", overrides, config, digest), left
    except InputError as error:
        raise error.within(str(config)) from None


def tell_left(left: Sequence[str]) -> None:
    """That these parts of the config are not gone by."""
    if left:
        shown = ", ".join(f"[{name}]" for name in left)
        tell(f"matscout: one configuration is trained: {shown} left aside")


def _of_one(raw: Mapping[str, Any], base: Path, able: Sequence[str]) -> dict[str, Any]:
    """The config of a run of one trial: what `[evaluator]` says, and nothing to search."""
    part = raw.get("evaluator")
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or kind not in able:
        what = "is none that trains" if kind not in TRAINERS else f"'{kind}' is not able to do this"
        raise InputError("evaluator.type", what, f"use {' or '.join(able)}")
    if raw.get("kind", "sweep") != "sweep":
        raise InputError("kind", f"is {raw['kind']!r}", "leave it out")
    if raw.get("limits"):
        raise InputError("limits", "choose between trials, and there is one", "leave them out")
    trainer: Any = registry.evaluator_factory(Part(**part), base)()
    own = {key: value for key, value in raw.items() if key not in _OF_A_SEARCH}
    if not own.get("targets"):
        chosen = metric(trainer.metric, trainer.task, believes=True)  # the trainer checks it
        own["targets"] = [{"name": trainer.target_name, "direction": chosen.direction}]
    run = own.get("run", {})
    if not isinstance(run, dict):
        raise InputError("run", f"must be a table, got {run!r:.80}")
    run = {key: value for key, value in run.items() if key not in _OF_MANY} | {"trials": 1}
    if not run.get("fold_jobs"):
        run["workers"] = 1
    one = {"type": "categorical"}
    values = _values(trainer.hyperparameters, part["type"])
    parameters = {name: {**one, "choices": [value]} for name, value in values.items()}
    return {
        **own,
        "space": {"parameters": parameters},
        "proposer": {"type": "random"},
        "run": run,
    }


def _values(given: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What the trial's params say: what the config sets, where it is a number or a word; else, since a
    space may not be empty, one default in so many words.
    """
    plain = {k: v for k, v in given.items() if isinstance(v, str | bool | int | float)}
    if plain:
        return plain
    name, settings = ("imputer", PrepareSettings) if kind == "tabular" else ("loss", FitSettings)
    return {name: next(f.default for f in fields(settings) if f.name == name)}
