"""The file of `bench sweeps`: written after every problem, and added to by the next command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscout.cli.bench.store import loaded
from matscout.cli.bench.sweeps.problems.named import MAKES


def load(path: Path) -> dict[str, Any]:
    """What `bench sweeps` has written. InputError where it did not."""
    return loaded(path, "sweeps", ("versions", "how", "problems", "mean"), "problems", MAKES)
