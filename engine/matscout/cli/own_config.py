"""The config that a run was made with, looked at again when the run goes on: trusted, and edited."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from matscout.cli import registry
from matscout.cli.words import tell
from matscout.data.pools import space_file
from matscout.drive.config import Config, Part, parse_config, read_toml
from matscout.drive.run import RunSpec
from matscout.errors import InputError, one_line
from matscout.runfolder import RunFolder

_SAID, _SPACE = "said", "space_sha256"
_GOES_ON = "the run goes on as it was made"
_DEEPEST = 3
"""A parameter, an option: a bound alone would fill the line without saying more."""
_SHOWN = 3


def as_said(raw: Mapping[str, Any], base: Path) -> dict[str, str]:
    """What a config file says, for the run's `origin`: to be compared with what it says later. So is
    the file that it reads its space from, sought from `base`.

    The run's own config will not do for that: the command line and the defaults are in it.
    """
    said = {_SAID: _plain(raw)}
    digest = _digest(space_file(raw.get("space", {}), base))
    return {**said, _SPACE: digest} if digest else said


def _plain(raw: Mapping[str, Any]) -> str:
    return json.dumps(raw, default=str)


def _digest(path: Path | None) -> str:
    """SHA-256; empty where there is no such file."""
    with suppress(OSError):
        if path is not None:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def config_of(spec: RunSpec) -> Config:
    """The config as the run keeps it, without its space."""
    return parse_config({**spec.config, "space": {}})


def trusted(folder: RunFolder, spec: RunSpec, config_file: Path | None) -> tuple[Part, Path]:
    """The run's evaluator, and the folder that the config's relative paths start from. Writes nothing.

    A run folder may come from anywhere, so the name of code to run is never taken from it: it is read
    again from the user's own config (not one inside that folder), with which the run was made.
    """
    evaluator = config_of(spec).evaluator
    if evaluator is None:
        raise InputError(
            str(folder.root),
            "has no evaluator: its results are brought by people",
            f"use matscout campaign recommend {folder.name}, or name an evaluator in the config",
        )
    path = _place(spec, config_file)
    if evaluator.type in registry.RUNS_FOREIGN_CODE:
        if config_file is None and not _is_own(folder, path):
            raise InputError(
                str(folder.root),
                f"its config {path} is gone, and code is only started from your own config",
                f"say where it is: matscout resume {folder.name} --config FILE",
            )
        raw, _ = read_toml(path)
        try:
            ours = parse_config({"kind": spec.kind, **raw}).evaluator
        except InputError as error:
            raise error.within(str(path)) from None
        if ours != evaluator:
            raise InputError(
                str(path), "names another evaluator than this run was made with", "restore it"
            )
    elif config_file is not None:
        read_toml(path)  # a slip of the pen would move all relative paths
    return evaluator, path.absolute().parent


def tell_edits(
    folder: RunFolder, spec: RunSpec, config_file: Path | None, given: Mapping[str, Any]
) -> None:
    """Say it if the config, or the file that it reads its space from, says something else than when the
    run was made. `given` is what the command line says of `[run]`, where the file has no say."""
    path = _place(spec, config_file)
    if _SAID not in spec.origin or not (config_file or _is_own(folder, path)):
        return
    for note in (_edited(spec, path, given), _edited_space(spec, path)):
        if note:
            tell(f"matscout: {one_line(note)}")


def _edited(spec: RunSpec, path: Path, given: Mapping[str, Any]) -> str:
    """One line about the config, or an empty text."""
    try:
        now, digest = read_toml(path)
    except InputError as error:
        return f"{error}: {_GOES_ON}"
    if digest == spec.origin["sha256"]:
        return ""
    settled = {f"run.{key}" for key, value in given.items() if value is not None}
    then = json.loads(spec.origin[_SAID])
    keys = [key for key in differing(then, json.loads(_plain(now))) if key not in settled]
    if not keys:
        return ""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    told = ", ".join(keys[:_SHOWN]) + more
    line = f"{path.name} has changed since the run was made ({told}): {_GOES_ON}"
    table = now.get("run")
    trials = table.get("trials") if isinstance(table, dict) else None
    if "run.trials" in keys and isinstance(trials, int) and trials > spec.policy.trials:
        line += f"; --trials {trials} gives it more trials"
    return line


def _edited_space(spec: RunSpec, path: Path) -> str:
    """The same about the space's file: a pool that has got more rows, say."""
    before = spec.origin.get(_SPACE)
    file = space_file(json.loads(spec.origin[_SAID])["space"], path.absolute().parent)
    if file is None or before is None or _digest(file) in ("", before):
        return ""
    return f"{file.name} has changed since the run was made: {_GOES_ON}"


def differing(then: Any, now: Any) -> list[str]:
    """The dotted keys that two configs disagree about, in the file's order; those of lists of tables
    are numbered, where there are as many.
    """
    return list(dict.fromkeys(_differing(then, now, ())))


def _differing(then: Any, now: Any, path: tuple[str, ...]) -> Iterator[str]:
    if len(path) < _DEEPEST:
        if _are_tables(then) and _are_tables(now) and len(then) == len(now):
            then, now = dict(enumerate(then)), dict(enumerate(now))
        if isinstance(then, dict) and isinstance(now, dict):
            for key in dict.fromkeys((*then, *now)):
                yield from _differing(then.get(key), now.get(key), (*path, str(key)))
            return
    if json.dumps(then, sort_keys=True) != json.dumps(now, sort_keys=True):
        yield ".".join(path)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _place(spec: RunSpec, config_file: Path | None) -> Path:
    return config_file or Path(spec.origin.get("path", ""))


def _is_own(folder: RunFolder, path: Path) -> bool:
    """Whether it is still there, and did not come with the run's folder."""
    return os.path.isfile(path) and not folder.contains(path)
