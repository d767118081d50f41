"""The file of `bench campaigns`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscout.cli.bench.campaigns.tables import TABLES
from matscout.cli.bench.store import loaded


def load(path: Path) -> dict[str, Any]:
    """What `bench campaigns` has written. InputError where it did not."""
    return loaded(path, "campaigns", ("versions", "tables", "mean", "coverage"), "tables", TABLES)
