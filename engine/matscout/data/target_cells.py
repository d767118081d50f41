"""The target of a table: numbers, bounds where that is asked for, or two labels as 0 and 1."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from matscout.data.cells import BadRows, number_cells
from matscout.data.columns import as_bound, is_infinite
from matscout.data.decimal_comma import refuse_decimal_commas
from matscout.data.no_square import LARGEST, no_square
from matscout.data.text_table import TextTable, as_number, is_missing
from matscout.errors import InputError


def target_cells(
    table: TextTable, name: str, bad: BadRows, *, bounds: bool, classes: bool
) -> tuple[list[float], list[str]]:
    """(n,) numbers in the target's unit, NaN where nothing was measured, and notes.

    With `classes`, a target of two text labels is 0 and 1: the rarer is 1 (of equals the later in
    the alphabet). Numbers stay numbers. Raises InputError for a column of text, of nothing, or of
    numbers with decimal commas.
    """
    known = [cell for cell in table.column(name) if not is_missing(cell)]
    if not known:
        raise InputError(table.name, f"target {name!r} has no value", "choose another column")
    if not classes:
        refuse_decimal_commas(table, name)
    if not any(
        as_number(c) is not None or as_bound(c) is not None or is_infinite(c) for c in known
    ):
        return _labels(table, name, known, classes)
    numbers, taken = number_cells(table, name, bad, gaps=True, bounds=bounds)
    for row, number in enumerate(numbers):
        if abs(number) > LARGEST:
            bad.add(row, no_square(name, table.column(name)[row]))
    if not taken:
        return numbers, []
    rows = "row has" if taken == 1 else "rows have"
    return numbers, [f"{taken} {rows} a censored {name!r}; the bound is taken as the value"]


def require_variety(table: TextTable, name: str, numbers: Sequence[float]) -> None:
    """InputError unless the target has a value, and two that differ if it has several."""
    measured = [number for number in numbers if not math.isnan(number)]
    if not measured:
        raise InputError(
            table.name, f"target {name!r} has no value in the rows that can be used",
            "choose another column",
        )  # fmt: skip
    if len(measured) > 1 and len(set(measured)) == 1:
        raise InputError(
            table.name, f"target {name!r} is always {measured[0]:g}", "there is nothing to learn"
        )


def _labels(
    table: TextTable, name: str, known: Sequence[str], classes: bool
) -> tuple[list[float], list[str]]:
    counts = Counter(known)
    shown = ", ".join(f"{label!r:.40}" for label in sorted(counts)[:3])
    if len(counts) != 2 or not classes:
        mend = "choose a column of numbers"
        if len(counts) == 2:
            mend += ", or take the two labels as classes"
        elif classes:
            mend = "classes need two labels"
        raise InputError(
            table.name,
            f"target {name!r} is text ({len(counts)} label{'s' * (len(counts) > 1)}: {shown}"
            f"{', …' if len(counts) > 3 else ''}), not numbers",
            mend,
        )
    other, rare = sorted(counts, key=lambda label: (-counts[label], label))
    numbers = [math.nan if is_missing(cell) else float(cell == rare) for cell in table.column(name)]
    share = counts[rare] / len(known)
    return numbers, [f"target {name!r}: {rare!r} is 1 ({share:.1%}), {other!r} is 0"]
