"""Numbers so large that their squares, and with them every spread and score, are infinite."""

from __future__ import annotations

from collections.abc import Sequence

from matscout.data.text_table import TextTable
from matscout.errors import InputError

LARGEST = 1e150
"""The sum of the squares of 10^8 such numbers is still a float."""


def no_square(name: str, cell: str, noun: str = "target") -> str:
    """What is wrong with that cell of a column."""
    return f"{noun} {name!r} is {cell!r:.40}, which has no square"


def refuse_no_square(
    table: TextTable, name: str, values: Sequence[float], noun: str = "target"
) -> None:
    """InputError for the first of a column's values beyond LARGEST; NaN is not."""
    for row, value in enumerate(values):
        if abs(value) > LARGEST:
            what = no_square(name, table.column(name)[row], noun)
            raise InputError(table.at(row), what, "mend the cell")
