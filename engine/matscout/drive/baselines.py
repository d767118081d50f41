"""Baselines of a sweep, kept in its folder: measured once for a table and its folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from matscout.bounded_read import read_bounded
from matscout.durable_file import replace_durably
from matscout.json_text import parsed_json
from matscout.runfolder import RunFolder

_SAID = {"dummy": "a dummy", "linear": "a linear model", "random forest": "a random forest"}


class HasBaselines(Protocol):
    """A trainer that knows what simple models score where its own are judged."""

    @property
    def target_name(self) -> str:
        """What the objective is measured as."""

    @property
    def baseline_names(self) -> Sequence[str]:
        """What `baselines` measures."""

    @property
    def remarks(self) -> Sequence[str]:
        """What a person should be told of its data, a line each."""

    def is_baseline(self, digest_of: str) -> bool:
        """Whether baselines with that digest are those of its data."""

    def baselines(self, jobs: int) -> dict[str, Any]:
        """See `matscout.evaluate.baselines`."""


def keep_baselines(
    folder: RunFolder,
    trainer: HasBaselines,
    jobs: int = 1,
    say: Callable[[str], None] | None = None,
) -> None:
    """Measure them and write `baselines.json`, unless they are there for these very data. `say` is
    told what the trainer remarks of its data, and when it begins, since it may take as long as a
    trial or two.

    They can be had again at any time, so the file is no part of the journal.
    """
    known, target = read_baselines(folder), trainer.target_name
    if known and known["target"] == target and trainer.is_baseline(known["digest"]):
        return
    if say is not None:
        for remark in trainer.remarks:
            say(remark)
        *first, last = (_SAID.get(name, name) for name in trainer.baseline_names)
        said = f"{', '.join(first)} and {last}" if first else last
        say(f"measuring {said} on the same folds")
    found = {**trainer.baselines(jobs), "target": target}
    try:
        replace_durably(folder.baselines, json.dumps(found, indent=1, sort_keys=True).encode())
    except OSError:
        return  # a full disk is for the journal to speak of


def read_baselines(folder: RunFolder) -> Mapping[str, Any]:
    """What `keep_baselines` wrote; empty where there is nothing, or nothing that can be read."""
    try:
        found = parsed_json(read_bounded(folder.baselines))
        sound = (
            isinstance(found["digest"], str)
            and isinstance(found["target"], str)
            and isinstance(found["metric"], str)
            and isinstance(found["ends"], int)
            and found["ratio"] > 0
            and all(_sound(model) for model in found["models"].values())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found if sound else {}


def _sound(model: Mapping[str, Any]) -> bool:
    numbers = [model["value"], model["sem"], *model["scores"]]
    return all(n is None or isinstance(n, int | float) for n in numbers)
