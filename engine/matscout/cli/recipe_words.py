"""What a person said to `matscout sweep … --data`, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matscout.errors import InputError, did_you_mean


def start(
    space: Path, data: Path | None, target: str | None, runs: Path, given: Mapping[str, Any], *,
    name: str | None, trials: int | None, minutes: float, workers: int | None,
    fleet: str | None, json: bool,
) -> int:  # fmt: skip
    """Returns the exit code. InputError where one of the two options is missing."""
    if data is None or target is None:
        lacking = "--data" if data is None else "--target"
        raise InputError(lacking, "is missing", "--data TABLE.csv and --target COLUMN go together")
    from matscout.evaluate.trainer_options import TASKS

    if given["task"] and given["task"] not in TASKS:
        raise InputError(
            "--task", f"no task is '{given['task']}'", did_you_mean(given["task"], TASKS)
        )
    from matscout.cli.recipe import start as command
    from matscout.drive.recipe_plan import Question

    question = Question(data, target, **given)
    return command(
        space, question, runs, name=name, trials=trials, minutes=minutes, workers=workers or 2,
        fleet=fleet or "process", json=json,
    )  # fmt: skip
