"""Decimal commas, as spreadsheets save them in half of Europe: 0,5 is a word to every reader here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from matscout.data.text_table import TextTable, as_number, is_missing, read_text_table
from matscout.errors import InputError

_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_SEVERAL = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
"""1,250 and 1,250,000.5"""

AS_WORDS = ", or list the column under categorical"


def decimal_commas(cells: Sequence[str]) -> list[int]:
    """The rows with a decimal comma, where all cells that are not missing are numbers once commas are
    read as points; else none. `1,000` may be a thousand: it counts only beside another such as `0,5`.
    """
    rows, sure = [], False
    for row, cell in enumerate(cells):
        if _COMMA.fullmatch(cell):
            rows.append(row)
            sure = sure or _THOUSANDS.fullmatch(cell) is None
        elif as_number(cell) is None and not is_missing(cell):
            return []
    return rows if sure else []


def refuse_decimal_commas(table: TextTable, name: str, also: str = "") -> None:
    """InputError for a column of such numbers, with the line of the first that is no thousand; `also`
    is what may be done instead of mending.
    """
    cells = table.column(name)
    rows = decimal_commas(cells)
    if rows:
        row = next(row for row in rows if not _THOUSANDS.fullmatch(cells[row]))
        what = f"column {name!r} has {cells[row]!r:.40}: a decimal comma"
        raise InputError(table.at(row), what, "save it with points" + also)


def refuse_commas_as_words(path: str | Path, words: Mapping[str, Sequence[str]]) -> None:
    """Before a run: as above, for columns of the table at `path` that were taken for words, and for
    those of thousands alone, which may be either. A run that began with them goes on.
    """
    for name, cells in words.items():
        if decimal_commas(cells):
            refuse_decimal_commas(read_text_table(Path(path)), name, AS_WORDS)
        row = _first_thousand(cells)
        if row is not None:
            table = read_text_table(Path(path))
            what = f"column {name!r} has {cells[row]!r:.40}: a thousand, or a decimal comma?"
            raise InputError(table.at(row), what, "write it without" + AS_WORDS)


def _first_thousand(cells: Sequence[str]) -> int | None:
    """The first row with a comma, where all cells that are not missing are numbers or thousands."""
    first = None
    for row, cell in enumerate(cells):
        if _SEVERAL.fullmatch(cell):
            first = row if first is None else first
        elif as_number(cell) is None and not is_missing(cell):
            return None
    return first


def with_points(table: TextTable, names: Iterable[str]) -> tuple[TextTable, dict[str, list[int]]]:
    """The table with points in the columns of such numbers, and the rows that had commas, by column."""
    found = {name: rows for name in names if (rows := decimal_commas(table.column(name)))}
    places = {table.header.index(name) for name in found}
    if not places:
        return table, found
    cells = (
        tuple(cell.replace(",", ".") if k in places else cell for k, cell in enumerate(row))
        for row in table.rows
    )
    return replace(table, rows=tuple(cells)), found
