"""A table as an audit reads it: what every column is, and what cannot be read, refused nowhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from matscout.data.audit_units import number_and_unit
from matscout.data.cells import BadRows, InputCells, input_cells
from matscout.data.columns import Column, as_bound, column_kinds, is_infinite
from matscout.data.decimal_comma import with_points
from matscout.data.no_square import LARGEST
from matscout.data.text_table import TextTable, as_number, is_missing, read_text_table
from matscout.errors import InputError
from matscout.pool import KINDS
from matscout.trial import Value

_FEW_LABELS = 2
"""A target of so many different numbers is taken for classes."""


@dataclass(frozen=True)
class TargetColumn:
    """`values` (n,), NaN where there is none; a class is its place in `classes`. `bounds` are the
    rows whose cell is censored (their values are the bounds), `unreadable` those that are no number.
    """

    name: str
    values: np.ndarray
    classes: tuple[str, ...]
    bounds: tuple[int, ...] = ()
    infinite: tuple[int, ...] = ()
    unreadable: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """`columns` has the kind of each but the target; `inputs` the cells of those that a model could
    learn from, with NaN for what is missing; `bad` the rows and reasons of what cannot be read, by
    column; `gaps` the rows without a cell, by column. `commas` are the rows whose number had a
    decimal comma in the file, by column; `raw` has points there.
    """

    raw: TextTable
    columns: Mapping[str, Column]
    inputs: Mapping[str, InputCells]
    bad: Mapping[str, Mapping[int, str]]
    gaps: Mapping[str, tuple[int, ...]]
    commas: Mapping[str, Sequence[int]]
    target: TargetColumn | None

    def __len__(self) -> int:
        return len(self.raw.rows)

    def lines(self, rows: Sequence[int] | np.ndarray) -> tuple[int, ...]:
        """Where rows stand in the file."""
        return tuple(self.raw.lines[int(row)] for row in rows)

    def numbers(self, name: str) -> np.ndarray:
        """(n,) of an input that is a number."""
        return np.asarray(self.inputs[name].values, dtype=float)

    def of_kind(self, kind: str) -> list[str]:
        return [name for name, cells in self.inputs.items() if cells.kind == kind]

    def keys(self) -> list[tuple[Value, ...]]:
        """By which rows have the same inputs; n of them, or n empty ones where there is no input."""
        if not self.inputs:
            return [()] * len(self)
        columns = [
            [None if isinstance(key, float) and math.isnan(key) else key for key in cells.keys]
            for cells in self.inputs.values()
        ]
        return list(zip(*columns, strict=True))


def read_sheet(
    path: str | Path,
    target: str | None,
    said: Mapping[str, str],
    header: Sequence[str] | None = None,
    rows: Sequence[int] | np.ndarray | None = None,
) -> Sheet:
    """`said` overrides kinds by column; of `rows` only, by number, if they are given.

    Raises InputError for a file that is no table, for an unknown column, and for a target that is
    also something else.
    """
    raw = read_text_table(Path(path), header)
    if rows is not None:
        raw = raw.only([int(row) for row in rows])
    raw, commas = with_points(raw, [name for name in raw.header if name not in said])
    goal = None if target is None else _target(raw, target)
    if target in said:
        raise InputError(raw.name, f"{target!r} is the target and cannot be anything else")
    names = [name for name in raw.header if name != target]
    columns = column_kinds(raw, names, Path(path).parent, said=said)
    inputs, bad, gaps = {}, {}, {}
    for name, column in columns.items():
        cells = raw.column(name)
        empty = tuple(row for row, cell in enumerate(cells) if is_missing(cell))
        if empty:
            gaps[name] = empty
        if column.kind not in KINDS:
            continue
        own = BadRows(raw)
        found = input_cells(raw, name, column.kind, own, Path(path).parent)
        wrong = {row: what for row, (what, _) in own.reasons.items() if row not in empty}
        if column.kind == "number":
            values = _within(np.asarray(found.values, dtype=float))
            for row in np.flatnonzero(np.isnan(values)).tolist():
                if row not in empty:
                    wrong.setdefault(row, f"{name!r} is {cells[row]:.40}, which has no square")
            found = replace(found, values=values.tolist())
        if wrong:
            bad[name] = wrong
        if column.kind == "formula" and wrong:
            blank = ["" if row in wrong else value for row, value in enumerate(found.values)]
            found = replace(found, values=blank)
        inputs[name] = found
    return Sheet(raw, columns, inputs, bad, gaps, commas, goal)


def _target(raw: TextTable, name: str) -> TargetColumn:
    """Numbers, or labels where hardly a cell is a number or where there are two different ones."""
    cells = raw.column(name)
    missing = tuple(row for row, cell in enumerate(cells) if is_missing(cell))
    known = [cell for cell in cells if not is_missing(cell)]
    if not known:
        raise InputError(raw.name, f"target {name!r} has no value", "choose another column")
    numbers = [as_number(cell) for cell in cells]
    bounds = [as_bound(cell) for cell in cells]
    counted = sum(number is not None for number in numbers) + sum(b is not None for b in bounds)
    distinct = {number for number in numbers if number is not None}
    words = 2 * counted <= len(known) and not _mostly_units(known)
    two = counted == len(known) and len(distinct) <= _FEW_LABELS
    if words or (two and all(bound is None for bound in bounds)):
        labels = sorted(set(known), key=lambda cell: (as_number(cell) is None, _order(cell), cell))
        place = {label: float(k) for k, label in enumerate(labels)}
        return TargetColumn(
            name, np.array([place.get(cell, math.nan) for cell in cells]), tuple(labels),
            missing=missing,
        )  # fmt: skip
    pairs = zip(numbers, bounds, strict=True)
    either = (number if bound is None else bound for number, bound in pairs)
    values = _within(np.array([math.nan if value is None else value for value in either]))
    infinite = tuple(row for row, cell in enumerate(cells) if is_infinite(cell))
    gone = {*missing, *infinite}
    wrong = tuple(row for row in np.flatnonzero(np.isnan(values)).tolist() if row not in gone)
    censored = tuple(row for row, bound in enumerate(bounds) if bound is not None)
    return TargetColumn(name, values, (), censored, infinite, wrong, missing)


def _within(values: np.ndarray) -> np.ndarray:
    """NaN in place of numbers so large that their squares, and all statistics, are infinite."""
    return np.where(np.abs(values) <= LARGEST, values, math.nan)


def _mostly_units(known: Sequence[str]) -> bool:
    return 2 * sum(number_and_unit(cell) is not None for cell in known) > len(known)


def _order(cell: str) -> float:
    number = as_number(cell)
    return 0.0 if number is None else number
