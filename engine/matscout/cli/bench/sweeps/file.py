"""The file of `bench sweeps`: written after every problem, and added to by the next command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscout.cli.bench.store import loaded
from matscout.cli.bench.sweeps.problems.named import MAKES
from matscout.errors import InputError


def load(path: Path) -> dict[str, Any]:
    """What `bench sweeps` has written. InputError where it did not."""
    result = loaded(path, "sweeps", ("versions", "how", "problems", "mean"))
    for name in result["problems"]:
        if name not in MAKES:
            raise InputError(str(path), f"holds a problem {name!r} that is not known here")
    return result
