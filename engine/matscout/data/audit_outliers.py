"""Findings on inputs far from all others, column by column, each with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from matscout.data.audit_findings import Finding, finding
from matscout.data.audit_sheet import Sheet
from matscout.data.audit_target import far

_LIMIT = 8.0
"""Robust standard deviations. Inputs are chosen, not measured: far and alone is what is odd."""

_SHOWN = 5


def outlier_findings(sheet: Sheet) -> Iterator[Finding]:
    """One finding on all rows that a column of numbers sets apart; at most one row in fifty is."""
    why: dict[int, list[str]] = {}
    columns = []
    for name in sheet.of_kind("number"):
        values = sheet.numbers(name)
        rows = far(values, _LIMIT, flat=False)
        if not len(rows) or 50 * len(rows) > len(sheet) + 49:
            continue
        columns.append(name)
        middle = float(np.nanmedian(values))
        for row in rows.tolist():
            why.setdefault(row, []).append(
                f"{name!r} is {values[row]:.4g}, the median {middle:.4g}"
            )
    if why:
        odd = sorted(why)
        told = "; ".join(f"line {sheet.raw.lines[row]}: {why[row][0]}" for row in odd[:_SHOWN])
        more = f"; and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        verb = "row lies" if len(odd) == 1 else "rows lie"
        what = f"{len(odd)} {verb} far from all others ({told}{more})"
        yield finding("outliers", "note", what, columns=columns, lines=sheet.lines(odd))
