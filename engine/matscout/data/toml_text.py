"""TOML files as editors save them, and tables that are named in their place."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Any

from matscout.errors import InputError

_TABLES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".json.gz", ".jsonl.gz")
_EXCEL = (".xlsx", ".xls", ".ods")


def parse_toml(path: Path, data: bytes) -> dict[str, Any]:
    """What the file at `path`, which holds `data`, says; a byte order mark before it is none of it.
    InputError for what is no TOML.
    """
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(str(path), "is not UTF-8 text", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:  # no TOML, or a number of 5,000 digits
        raise InputError(str(path), f"is not TOML: {error}") from None


def refuse_table(path: Path) -> None:
    """InputError for a table's name where a config is wanted: it says what begins with a table."""
    name, mend = path.name.lower(), ""
    if name.endswith(_TABLES):
        mend = f"matscout sweep small_table --data {shlex.quote(str(path))} --target COLUMN"
    elif name.endswith(_EXCEL):
        mend = "save it as CSV, and use matscout sweep small_table --data"
    if mend:
        raise InputError(str(path), "is a table, and TOML is wanted here", mend)
