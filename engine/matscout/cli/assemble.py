"""From a config file to a run, and from a run's record back to its moving parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matscout.cli import registry
from matscout.data.pools import read_space
from matscout.drive.config import Config, Part, parse_config, read_toml
from matscout.drive.interrupt import Interrupt, listening
from matscout.drive.loop import Observer
from matscout.drive.run import RunSpec, reopen, sit
from matscout.errors import InputError
from matscout.runfolder import RunFolder, checked_name


def spec_from_file(path: Path, kind: str, overrides: dict[str, Any]) -> RunSpec:
    """Read, check and try out everything that a config names. Nothing is written."""
    raw, digest = read_toml(path)
    try:
        return spec_from_dict(raw, kind, overrides, path, digest)
    except InputError as error:
        raise error.within(str(path)) from None


def spec_from_dict(
    raw: dict[str, Any], kind: str, overrides: dict[str, Any], path: Path, digest: str
) -> RunSpec:
    config = parse_config({"kind": kind, **raw})
    if config.kind != kind:
        raise InputError("kind", f"is {config.kind!r}", f"start it with matscout {config.kind}")
    config = _overridden(config, overrides)
    checked_name(config.name)
    base = path.absolute().parent
    space = read_space(config.space, base)
    targets = tuple(t.target() for t in config.targets)
    if len({t.name for t in targets}) != len(targets):
        raise InputError("targets", "two targets have the same name", "rename one")
    if config.proposer is None:
        part = Part(type="gp" if space.pool is not None else "tpe")
        config = config.model_copy(update={"proposer": part})
    assert config.proposer is not None
    registry.proposer(config.proposer)
    registry.pruner(config.early_stopping)
    evaluator = registry.evaluator_factory(config.evaluator, base)()
    if hasattr(evaluator, "check"):  # trainers read their data and know their hyperparameters
        evaluator.check(tuple(space.by_name))
    return RunSpec(
        name=config.name,
        kind=kind,
        space=space,
        targets=targets,
        policy=config.run.policy(),
        seed=config.seed,
        config=config.model_dump(mode="json", exclude={"space"}),
        origin={"path": str(path.absolute()), "sha256": digest},
    )


def drive(
    folder: RunFolder,
    observer: Observer,
    *,
    overrides: dict[str, Any] | None = None,
    config_file: Path | None = None,
) -> tuple[str, RunSpec]:
    """One sitting of the run in `folder`: open, check, go on where it stands. Returns why it ended."""
    journal, history, spec = reopen(folder)
    try:
        config = _overridden(_config_of(spec), overrides or {})
        base = _trusted_base(folder, spec, config, config_file)
        spec = replace(spec, policy=config.run.policy())
        factory = registry.evaluator_factory(config.evaluator, base)
        assert config.proposer is not None
        with listening(Interrupt()) as interrupt:
            reason = sit(
                folder,
                journal,
                history,
                spec,
                proposer=registry.proposer(config.proposer),
                start_fleet=lambda: registry.fleet(config.run, factory, spec.targets, folder),
                pruner=registry.pruner(config.early_stopping),
                observer=observer,
                interrupt=interrupt,
            )
        return reason, spec
    finally:
        journal.close()


def find_run(name: str, runs: Path) -> RunFolder:
    """The run called `name` below `runs`, or the folder that `name` is a path to."""
    if "/" in name and (Path(name) / "journal.db").is_file():
        folder = RunFolder(Path(name).absolute())
    else:
        folder = RunFolder.of(name, runs)
    if not folder.journal.is_file():
        known = sorted(p.parent.name for p in runs.glob("*/journal.db")) if runs.is_dir() else []
        mend = (
            "there are: " + ", ".join(known[:10]) if known else "there are no runs here; see --runs"
        )
        raise InputError(str(folder.root), "no such run", mend)
    return folder


def _config_of(spec: RunSpec) -> Config:
    return parse_config({**spec.config, "space": {}})


def _overridden(config: Config, overrides: dict[str, Any]) -> Config:
    """The command line's word over the file's. None means: not said."""
    given = {key: value for key, value in overrides.items() if value is not None}
    raw = config.model_dump(mode="json")
    for key in ("name", "seed"):
        if key in given:
            raw[key] = given.pop(key)
    raw["run"] |= given
    return parse_config(raw)


def _trusted_base(
    folder: RunFolder, spec: RunSpec, config: Config, config_file: Path | None
) -> Path:
    """The folder that the config's relative paths start from.

    A run folder may come from anywhere, so the name of code to run is never taken from it: it is
    read again from the user's own config, which must still be the one that the run was made with.
    """
    path = config_file or Path(spec.origin.get("path", ""))
    if config.evaluator.type in registry.RUNS_FOREIGN_CODE:
        try:
            raw, digest = read_toml(path)
        except InputError:
            raise InputError(
                str(folder.root),
                f"its config {path} is gone, and code is only started from your own config",
                f"say where it is: matscout resume {folder.name} --config FILE",
            ) from None
        ours = parse_config({"kind": spec.kind, **raw}).evaluator if digest else None
        if ours != config.evaluator:
            raise InputError(
                str(path), "names another evaluator than this run was made with", "restore it"
            )
    return path.absolute().parent
