"""Tables that are no CSV, as text cells: JSON as Matbench writes it, and Parquet.

A structure in pymatgen's JSON is a cell of JSON text. Parquet is read in a bounded child: a column of
few bytes there can say that it has a billion rows. JSON is weighed before it is parsed (growth.py).
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from matscout.data.bounded_child import ChildEnded, Refused, answers
from matscout.data.growth import check_growth, room, rows_weight
from matscout.data.unpacked import unpacked
from matscout.errors import InputError

MAX_JSON_BYTES = 256 * 2**20
"""Unpacked: structures take some 2 kB each."""
MAX_TEXT_BYTES = 64 * 2**20
"""Of what a Parquet table holds when written out: as much as a CSV file may have."""

Cells = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Header and rows."""


def reader_for(path: Path) -> Callable[[Path], Cells] | None:
    """What reads a file of that name; None for a CSV file, which is anything else."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".json", ".jsonl")):
        return read_json
    return read_parquet if path.suffix.lower() == ".parquet" else None


def read_json(path: Path) -> Cells:
    """Records `[{"a": 1, "b": "x"}, …]`, JSON lines of them, or pandas' split (`columns`, `data`, an
    index that is left aside), as Matbench has it; gzipped or not. InputError for anything else.
    """
    data = unpacked(path, MAX_JSON_BYTES)
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        lines = filter(bytes.strip, io.BytesIO(data))
        found: Any = [_parsed(line, f"{path}: row {k + 1}") for k, line in enumerate(lines)]
    else:
        found = _parsed(data, str(path))
    if isinstance(found, dict) and {"columns", "data"} <= found.keys():
        return _of_split(found["columns"], found["data"], path)
    return _of_records(found, path)


def read_parquet(path: Path) -> Cells:
    """The cells of a Parquet file as text. InputError for a damaged or too large one, for columns that
    are no numbers, words, truths or dates, and where pyarrow is not installed.
    """
    try:
        with open(path, "rb") as file:
            about = os.fstat(file.fileno())
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "check the path") from None
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise InputError(str(path), what, "check the path") from None
    if about.st_size > MAX_TEXT_BYTES:
        what = f"{about.st_size:,} bytes; a table may have {MAX_TEXT_BYTES:,}"
        raise InputError(str(path), what, "take fewer rows")
    return _parquet(path.absolute(), str(path), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=2)
def _parquet(path: Path, name: str, mtime_ns: int, size: int) -> Cells:
    request = [str(path), MAX_TEXT_BYTES, room(size)]
    try:
        (said,) = answers("matscout.data.parquet_child", [request], most_bytes=2 * MAX_TEXT_BYTES)
    except ChildEnded as ended:
        raise InputError(name, str(ended), "save it as CSV") from None
    if isinstance(said, Refused):
        raise InputError(name, said.what, said.mend)
    return tuple(said["header"]), tuple(tuple(row) for row in said["rows"])


def _parsed(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"not JSON ({error!s:.80})") from None


def _of_split(columns: Any, data: Any, path: Path) -> Cells:
    if not isinstance(columns, list) or not isinstance(data, list):
        raise InputError(str(path), '"columns" and "data" must be lists')
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            what = f"a row must be a list of {len(columns)} cells"
            raise InputError(f"{path}: row {place + 1}", what)
    return _told(columns, path), _cells(data)


def _of_records(found: Any, path: Path) -> Cells:
    if not isinstance(found, list):
        raise InputError(str(path), "not a list of objects")
    for place, record in enumerate(found):
        if not isinstance(record, dict):
            raise InputError(f"{path}: row {place + 1}", "not an object with a value by column")
    columns = list(dict.fromkeys(name for record in found for name in record))
    # A record need not have every column: it is by the columns of the others that a table swells.
    check_growth(rows_weight(len(found), len(columns)), path.stat().st_size, str(path))
    return _told(columns, path), _cells([r.get(name) for name in columns] for r in found)


def _told(columns: Sequence[Any], path: Path) -> tuple[str, ...]:
    if not all(isinstance(name, str) for name in columns):
        raise InputError(str(path), "a column's name must be text")
    return tuple(name.strip() for name in columns)


def _cells(rows: Iterable[Sequence[Any]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(as_cell(value) for value in row) for row in rows)


def as_cell(value: Any) -> str:
    """As a CSV file would have it: nothing for None and NaN; what has parts is JSON."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    return str(value)
