"""On which side of a cut a censored measurement lies: `>80` is above 80, and `<80` at or below it."""

from __future__ import annotations

import numpy as np

from matscout.data.columns import as_bound
from matscout.data.text_table import TextTable, as_number
from matscout.errors import InputError


def above_cut(table: TextTable, name: str, cut: float) -> np.ndarray:
    """(n,) of bool: whether the measurements in the column `name`, numbers or bounds, are above `cut`.

    InputError, with its line, for a bound that leaves that open: `>70` where 80 is the cut.
    """
    return np.array([is_above(table, row, name, cut) for row in range(len(table.rows))])


def is_above(table: TextTable, row: int, name: str, cut: float) -> bool:
    """The same of one row, whose cell is a number or a bound."""
    cell = table.rows[row][table.header.index(name)].strip()
    number = as_number(cell)
    if number is not None:
        return number > cut
    bound = as_bound(cell)
    assert bound is not None
    reached = cell[0] in "≤≥" or cell[1:].lstrip().startswith("=")
    if cell[0] in ">≥" and (bound > cut or (bound == cut and not reached)):
        return True
    if cell[0] in "<≤" and bound <= cut:
        return False
    what = f"target '{name}' is '{cell:.40}', which may be above {cut:g} or not"
    raise InputError(table.at(row), what, "drop the row, or choose another cut")
