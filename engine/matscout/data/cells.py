"""Cells of a table as typed values. What cannot be read is collected by row, then refused or dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from matscout.data.columns import as_bound, is_infinite
from matscout.data.text_table import TextTable, as_number, as_numbers, is_missing
from matscout.errors import InputError
from matscout.trial import Value

if TYPE_CHECKING:
    from matscout.data.graphs import GraphStore

DIGITS = 12
"""Numbers that agree to so many significant digits are one input, written out twice."""

_SHOWN = 5


@dataclass
class BadRows:
    """The rows that cannot be used, each with the first reason found."""

    table: TextTable
    reasons: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, row: int, what: str, mend: str = "mend the cell") -> None:
        self.reasons.setdefault(row, (what, mend))

    def refuse(self, also: str = ', or drop such rows (on_bad = "drop")') -> None:
        """InputError naming the first bad row, if there is one, and how many follow; `also` is what
        may be done instead of mending.
        """
        if self.reasons:
            row = min(self.reasons)
            what, mend = self.reasons[row]
            more = len(self.reasons) - 1
            others = f" (and {more} more such row{'s' * (more > 1)})" if more else ""
            raise InputError(self.table.at(row), what + others, mend + also)

    def note(self) -> list[str]:
        """One line on what was dropped; none if nothing was."""
        if not self.reasons:
            return []
        rows = sorted(self.reasons)
        told = "; ".join(
            f"line {self.table.lines[row]}: {self.reasons[row][0]}" for row in rows[:_SHOWN]
        )
        more = f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        return [f"dropped {len(rows)} of {len(self.table.rows)} rows ({told}{more})"]


@dataclass(frozen=True)
class InputCells:
    """One input column: what the evaluator is given, and the key by which rows are the same."""

    name: str
    kind: str
    values: Sequence[Value]
    keys: Sequence[Value]


def number_cells(
    table: TextTable, name: str, bad: BadRows, *, gaps: bool = False, bounds: bool = False
) -> tuple[list[float], int]:
    """(n,) finite numbers, NaN where there is none, and how many are bounds of censored cells.

    Empty cells are bad unless `gaps` (a target need not be measured in every row); cells
    such as `<1E-10` are bad unless `bounds`.
    """
    cells = table.column(name)
    clean = as_numbers(cells)
    if clean is not None:
        return clean, 0
    out, taken = [], 0
    for row, cell in enumerate(cells):
        number = as_number(cell)
        if number is None and not (gaps and is_missing(cell)):
            bound = as_bound(cell)
            if bound is not None and bounds:
                number, taken = bound, taken + 1
            else:
                bad.add(row, *_not_a_number(name, cell, bound, target=gaps))
        out.append(math.nan if number is None else number)
    return out, taken


def _not_a_number(name: str, cell: str, bound: float | None, *, target: bool) -> tuple[str, str]:
    if is_missing(cell):
        return f"no number in column {name!r}", "fill it in, ignore the column"
    if bound is not None:
        mend = 'take the bound as the value (censored = "bound")' if target else "mend the cell"
        return f"{name!r} is censored: {cell!r:.40}", mend
    if is_infinite(cell):
        return f"{name!r} is infinite", "mend the cell"
    return f"{cell!r:.40} among the numbers of column {name!r}", "mend the cell"


def input_cells(
    table: TextTable,
    name: str,
    kind: str,
    bad: BadRows,
    folder: Path,
    store: GraphStore | None = None,
) -> InputCells:
    """The cells of an input of that kind; structure files are sought from `folder`, and what was read
    of them is kept in `store`, if given.
    """
    if kind == "number":
        return _numbers(table, name, bad)
    if kind == "formula":
        return _formulas(table, name, bad)
    if kind == "structure":
        return _structures(table, name, bad, folder, store)
    labels = [_label(cell) for cell in table.column(name)]
    return InputCells(name, kind, labels, labels)


def _numbers(table: TextTable, name: str, bad: BadRows) -> InputCells:
    numbers, _ = number_cells(table, name, bad)
    cells = table.column(name)
    # A short cell has no more digits than count. Zero is added for -0.0, which is the same as 0.0.
    keys = [
        (number if len(cell) <= DIGITS else float(f"{number:.{DIGITS - 1}e}")) + 0.0
        for number, cell in zip(numbers, cells, strict=True)
    ]
    if all(cell.lstrip("+-").isdecimal() for cell in cells):
        return InputCells(name, "number", [int(cell) for cell in cells], keys)
    return InputCells(name, "number", numbers, keys)


def _formulas(table: TextTable, name: str, bad: BadRows) -> InputCells:
    from matscout.data.formula import canonical, misread

    cells = table.column(name)
    known: dict[str, str] = {}
    for cell in set(cells):
        try:
            known[cell] = canonical(cell)
        except ValueError:
            known[cell] = ""
    for row, cell in enumerate(cells):
        if not known[cell]:
            what = "is empty" if is_missing(cell) else f"does not parse as a formula: {cell!r:.60}"
            why = misread(cell)
            bad.add(row, f"{name!r} {what}" + (f", {why}" if why else ""))
    return InputCells(name, "formula", cells, [known[cell] for cell in cells])


def _structures(
    table: TextTable, name: str, bad: BadRows, folder: Path, store: GraphStore | None
) -> InputCells:
    from matscout.data.structure_files import attempted, structure_source, structure_text

    cells = table.column(name)
    paths: dict[str, str] = {}
    texts = {}
    wrong: dict[str, str] = {}
    for cell in dict.fromkeys(cells):
        try:
            paths[cell] = structure_source(folder, cell)
            texts[cell] = structure_text(paths[cell])
        except InputError as error:
            wrong[cell] = f"{error.where}: {error.what}"
    for cell, found in zip(texts, attempted(list(texts.values()), store), strict=True):
        if isinstance(found, InputError):
            wrong[cell] = f"{found.where}: {found.what}"
    for row, cell in enumerate(cells):
        if cell in wrong:
            bad.add(row, f"{name!r}: {wrong[cell]}", "mend the file")
    return InputCells(name, "structure", [paths.get(cell, cell) for cell in cells], cells)


def _label(cell: str) -> str:
    """One text for a label however it is written: `1.0` is `1`; what is missing is a label too."""
    if is_missing(cell):
        return ""
    number = as_number(cell)
    return cell if number is None else f"{number + 0.0:.{DIGITS}g}"
