"""The file of `bench campaigns`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matscout.cli.bench.campaigns.tables import TABLES
from matscout.cli.bench.store import loaded
from matscout.errors import InputError


def load(path: Path) -> dict[str, Any]:
    """What `bench campaigns` has written. InputError where it did not."""
    result = loaded(path, "campaigns", ("versions", "tables", "mean", "coverage"))
    for name in result["tables"]:
        if name not in TABLES:
            raise InputError(str(path), f"holds a table {name!r} that is not known here")
    return result
