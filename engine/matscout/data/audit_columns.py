"""Findings on columns: gaps, cells that cannot be read, names taken for inputs, what is said twice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import rankdata

from matscout.data.audit_findings import Finding, finding
from matscout.data.audit_sheet import Sheet
from matscout.data.audit_units import slipped, units_of
from matscout.data.audit_units_near import NEAREST, neighbour_space, slipped_beside
from matscout.data.text_table import as_number, is_missing

_LEAK = 0.98
"""A rank correlation with the target above this is rather the target again than a cause of it."""

_LEAST_ROWS = 10

_MOST_PARTS = 100
"""Columns among which shares are sought."""


def column_findings(sheet: Sheet) -> Iterator[Finding]:
    yield from _unreadable(sheet)
    yield from _commas(sheet)
    yield from _units(sheet)
    yield from _gaps(sheet)
    yield from _not_inputs(sheet)
    yield from _same(sheet)
    yield from _shares(sheet)
    yield from _leaks(sheet)


def useful_inputs(sheet: Sheet) -> list[str]:
    """The columns that a model may learn from: what is left when names, constants, empty columns and
    repetitions are out.
    """
    doubled = {second for second, _ in _pairs(sheet)}
    return [name for name in sheet.inputs if name not in doubled]


def _unreadable(sheet: Sheet) -> Iterator[Finding]:
    for name, reasons in sheet.bad.items():
        rows = sorted(reasons)
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        yield finding(
            "unreadable", "blocks", f"{reasons[rows[0]]} (line {sheet.raw.lines[rows[0]]}{more})",
            columns=[name], lines=sheet.lines(rows),
        )  # fmt: skip


def _commas(sheet: Sheet) -> Iterator[Finding]:
    for name, rows in sheet.commas.items():
        cell = sheet.raw.column(name)[rows[0]].replace(".", ",")
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        what = f"{name!r} has decimal commas: {cell!r:.40} (line {sheet.raw.lines[rows[0]]}{more})"
        yield finding("decimal comma", "blocks", what, columns=[name], lines=sheet.lines(rows))


def _units(sheet: Sheet) -> Iterator[Finding]:
    names = [*sheet.columns, *([sheet.target.name] if sheet.target else [])]
    for name in names:
        found = units_of(sheet.raw.column(name))
        if found:
            told = ", ".join(f"{unit or 'none'} ({len(rows)})" for unit, rows in found.items())
            few = [row for unit, rows in list(found.items())[1:] for row in rows]
            what = f"{name!r} is written with units: {told}"
            lines = sheet.lines(sorted(few or next(iter(found.values()))))
            yield finding("units", "blocks", what, columns=[name], lines=lines)
    numbers = {name: sheet.numbers(name) for name in sheet.of_kind("number")}
    if sheet.target is not None and not sheet.target.classes:
        numbers[sheet.target.name] = sheet.target.values
    for name, values in numbers.items():
        slip = slipped(values)
        if slip is not None:
            rest = np.delete(values, slip.rows)
            way = "above" if slip.above else "below"
            middle = float(np.nanmedian(values[list(slip.rows)]))
            what = (
                f"{len(slip.rows)} of {np.isfinite(values).sum()} values of {name!r} stand apart, a"
                f" factor {slip.name} {way} the others (median {middle:.4g} against"
                f" {np.nanmedian(rest):.4g})"
            )
            lines = sheet.lines(slip.rows)
            yield finding("unit factor", "matters", what, columns=[name], lines=lines)
        elif sheet.target is not None and name == sheet.target.name:
            yield from _beside(sheet, name, values)


def _beside(sheet: Sheet, name: str, values: np.ndarray) -> Iterator[Finding]:
    """Rows of the target that are off by a factor beside rows like them."""
    x = neighbour_space(sheet)
    slip = None if x is None else slipped_beside(values, x)
    if slip is None:
        return
    way = "above" if slip.above else "below"
    what = (
        f"{len(slip.rows)} of {np.isfinite(values).sum()} values of {name!r} are about a factor"
        f" {slip.name} {way} the median of the {NEAREST} rows most like theirs, and hardly any lie"
        " between"
    )
    yield finding("unit factor", "matters", what, columns=[name], lines=sheet.lines(slip.rows))


def _gaps(sheet: Sheet) -> Iterator[Finding]:
    gaps = {name: rows for name, rows in sheet.gaps.items() if name in sheet.inputs}
    if gaps:
        rows = sorted({row for own in gaps.values() for row in own})
        worst = sorted(gaps, key=lambda name: -len(gaps[name]))
        told = ", ".join(f"{name!r} {len(gaps[name])}" for name in worst[:5])
        more = f" and {len(worst) - 5} more columns" if len(worst) > 5 else ""
        what = f"cells are missing in {len(rows)} of {len(sheet)} rows ({told}{more})"
        yield finding("missing", "matters", what, columns=worst, lines=sheet.lines(rows))


def _not_inputs(sheet: Sheet) -> Iterator[Finding]:
    useful: list[str] | None = useful_inputs(sheet)
    for kind in ("id", "constant", "empty"):
        left = [column for column in sheet.columns.values() if column.kind == kind]
        if not left:
            continue
        told = ", ".join(f"{c.name!r} ({c.why})" for c in left[:6])
        more = f" and {len(left) - 6} more" if len(left) > 6 else ""
        blocks = kind == "empty" and any(
            all(map(is_missing, sheet.raw.column(c.name))) for c in left
        )
        level = "blocks" if blocks else "matters" if kind == "id" else "note"
        one = len(left) == 1
        noun = {"id": "only names its row" if one else "only name their rows",
                "constant": "never varies" if one else "never vary",
                "empty": "is mostly empty" if one else "are mostly empty"}[kind]  # fmt: skip
        what = f"{_columns(len(left))} {noun}: {told}{more}"
        names = [c.name for c in left]
        if useful and kind != "constant":
            yield finding(kind, level, what, columns=names, inputs=useful)
            useful = None  # said once
        else:
            yield finding(kind, level, what, columns=names)


def _columns(count: int) -> str:
    return "a column" if count == 1 else f"{count} columns"


def _same(sheet: Sheet) -> Iterator[Finding]:
    for second, first in _pairs(sheet):
        what = f"{second!r} says the same as {first!r}"
        yield finding("same columns", "matters", what, columns=[second, first])


def _pairs(sheet: Sheet) -> list[tuple[str, str]]:
    """(column, an earlier one that says the same): equal labels under other names, or numbers that
    are a straight line of each other (the same length in two units).
    """
    found = []
    seen: dict[tuple[str, tuple[object, ...]], str] = {}
    for name, cells in sheet.inputs.items():
        if cells.kind == "number":
            pattern = _line(sheet.numbers(name))
            if pattern is None:
                continue
            key: tuple[str, tuple[object, ...]] = ("number", pattern)
        else:
            code: dict[object, int] = {}
            key = ("label", tuple(code.setdefault(part, len(code)) for part in cells.keys))
        if key in seen:
            found.append((name, seen[key]))
        seen.setdefault(key, name)
    return found


def _line(values: np.ndarray) -> tuple[float, ...] | None:
    """Values on a scale that a change of unit leaves alone, to eight digits; None for two values or
    fewer, which are always a line of each other.
    """
    known = values[np.isfinite(values)]
    if len(np.unique(known)) < 3:
        return None
    low, high = float(known.min()), float(known.max())
    scaled = (values - low) / (high - low)
    if next(v for v in scaled if not math.isnan(v)) > 0.5:  # falling units: K and 1000 - K
        scaled = 1.0 - scaled
    return tuple(-1.0 if math.isnan(v) else round(v, 8) + 0.0 for v in scaled)


def _shares(sheet: Sheet) -> Iterator[Finding]:
    """Three neighbouring columns or more of numbers whose rows all sum to 1, or to 100."""
    columns = {name: sheet.numbers(name) for name in sheet.of_kind("number")}
    names = [name for name, x in columns.items() if np.isfinite(x).all() and x.min() >= 0]
    names = names[:_MOST_PARTS]
    if len(sheet) < _LEAST_ROWS or len(names) < 3:
        return
    before = np.cumsum([np.zeros(len(sheet)), *(columns[name] for name in names)], axis=0)
    for wide in range(len(names), 2, -1):
        for first in range(len(names) - wide + 1):
            sums = before[first + wide] - before[first]
            total = 100.0 if sums[0] > 50 else 1.0
            if (np.abs(sums - total) <= 0.005 * total).all():
                own = names[first : first + wide]
                what = f"{wide} columns are shares: in every row they sum to {total:g}"
                yield finding("shares", "note", what, columns=own)
                return


def _leaks(sheet: Sheet) -> Iterator[Finding]:
    if sheet.target is None or len(np.unique(sheet.target.values)) < 3:
        return
    y = sheet.target.values
    # Also of columns that were left out: half of one may be empty, and still be the target again.
    for name, column in sheet.columns.items():
        if column.kind in ("constant", "category", "formula", "structure"):
            continue
        x = _numbers(sheet.raw.column(name))
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() < _LEAST_ROWS or min(len(np.unique(x[both])), len(np.unique(y[both]))) < 3:
            continue
        rank = abs(float(np.corrcoef(rankdata(x[both]), rankdata(y[both]))[0, 1]))
        if rank > _LEAK:
            what = f"{name!r} orders {both.sum()} rows as the target does (rank correlation {rank:.3f})"
            yield finding("leak", "matters", what, columns=[name])


def _numbers(cells: Sequence[str]) -> np.ndarray:

    found = [as_number(cell) for cell in cells]
    return np.array([math.nan if number is None else number for number in found])
