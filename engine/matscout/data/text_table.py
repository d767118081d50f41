"""A table as text, with the line of every cell, so that whoever reads on can name what is wrong."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matscout.bounded_read import TooLarge, read_bounded
from matscout.data.growth import check_growth, csv_weight
from matscout.data.table_files import reader_for
from matscout.errors import InputError, did_you_mean

MAX_BYTES = 64 * 2**20
MAX_COLUMNS = 4096
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
"""Cells that count as not measured, upper or lower case (but see `is_missing`)."""


@dataclass(frozen=True)
class TextTable:
    """The text of a file: column names, cells by row, and the line each row ends on (of a file without
    lines: its number, from 1; `unit` says which).
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    unit: str = "line"

    def column(self, name: str) -> list[str]:
        """The cells of a column; InputError names the nearest one if there is none."""
        if name not in self.header:
            raise InputError(self.name, f"no column {name!r}", did_you_mean(name, self.header))
        place = self.header.index(name)
        return [row[place] for row in self.rows]

    def only(self, rows: Sequence[int]) -> TextTable:
        """These rows, by number, and no trace of the others."""
        kept = tuple(self.rows[row] for row in rows)
        return replace(self, rows=kept, lines=tuple(self.lines[row] for row in rows))

    def at(self, row: int) -> str:
        """Where a row stands, for an error."""
        return f"{self.name}: {self.unit} {self.lines[row]}"


def read_text_table(path: Path, header: Sequence[str] | None = None) -> TextTable:
    """Read comma-separated UTF-8 with a header, cells stripped of outer blanks; files that end in
    .json, .jsonl (.gz of either) or .parquet as `table_files` says.

    A CSV file without a header gets its column names from `header`. Raises InputError for a file that
    is missing, too large, empty, ragged, or not separated by commas, and for a column without a name
    or with the name of another.
    """
    reader = reader_for(path)
    if reader is not None:
        names, cells = reader(path)
        if not cells or not names:
            raise InputError(str(path), "an empty table", "it needs a column and at least one row")
        found = TextTable(str(path), names, cells, tuple(range(1, len(cells) + 1)), "row")
        _check_shape(found)
        return found
    return _read_csv(path, header)


def _read_csv(path: Path, header: Sequence[str] | None) -> TextTable:
    try:
        data = read_bounded(path, MAX_BYTES)
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig").read()
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"not UTF-8 at byte {error.start}", "save as UTF-8") from None
    except TooLarge:
        what = f"too large; a table may have {MAX_BYTES:,} bytes"
        raise InputError(str(path), what, "take fewer rows") from None
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror})", "check the path"
        ) from None
    check_growth(csv_weight(text), len(data), str(path), "take fewer rows")
    csv.field_size_limit(MAX_BYTES)  # Python's own, 128 KiB, is a structure of some 400 sites
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, lines = [], []
    try:
        for cells in reader:
            if cells:
                rows.append(tuple(cell.strip() for cell in cells))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}", f"not CSV ({error})") from None
    if header is not None:
        rows.insert(0, tuple(name.strip() for name in header))
        lines.insert(0, 0)
    if len(rows) < 2:
        raise InputError(str(path), "an empty table", "it needs a header and at least one row")
    table = TextTable(str(path), rows[0], tuple(rows[1:]), tuple(lines[1:]))
    _check_shape(table)
    return table


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing was measured. `Na` does not: it is sodium."""
    return cell.lower() in MISSING and cell != "Na"


def as_number(cell: str) -> float | None:
    """The finite number that `cell` spells, or None. `1_000` and `inf` are words, not numbers."""
    if "_" in cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def as_numbers(cells: Sequence[str]) -> list[float] | None:
    """What `as_number` makes of the cells if it makes numbers of them all; ten times as fast."""
    try:
        numbers = list(map(float, cells))
    except ValueError:
        return None
    clean = all(map(math.isfinite, numbers)) and not any("_" in cell for cell in cells)
    return numbers if clean else None


def _check_shape(table: TextTable) -> None:
    width = len(table.header)
    if width == 1 and any(mark in table.header[0] for mark in ";\t"):
        raise InputError(
            table.name, "one column only: not separated by commas", "save it with commas"
        )
    if width > MAX_COLUMNS:
        raise InputError(table.name, f"{width} columns; a table may have {MAX_COLUMNS}")
    if "" in table.header:
        raise InputError(table.name, f"column {table.header.index('') + 1} has no name", "name it")
    twice = next((c for c in table.header if table.header.count(c) > 1), None)
    if twice is not None:
        raise InputError(table.name, f"two columns are called {twice!r}", "rename one")
    for place, row in enumerate(table.rows):
        if len(row) != width:
            raise InputError(
                table.at(place), f"{len(row)} cells under {width} columns", "mend the row"
            )
