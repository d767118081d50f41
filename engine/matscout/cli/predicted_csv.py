"""A table with what is predicted of its rows beside them, as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from matscout.data.spreadsheet import safe
from matscout.data.text_table import TextTable, as_number
from matscout.errors import InputError
from matscout.models.uncertainty.belief import Belief


def with_cells(text: TextTable, cells: Mapping[str, Sequence[Any]]) -> str:
    """`cells` are the new columns by name, (m,) each. InputError where the table has one of them."""
    taken = next((name for name in cells if name in text.header), None)
    if taken is not None:
        raise InputError(text.name, f"has a column '{taken}' already", "rename it")
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([safe(name) for name in (*text.header, *cells)])
    for row, more in zip(text.rows, zip(*cells.values(), strict=True), strict=True):
        writer.writerow([_cell(cell) for cell in row] + [safe(cell) for cell in more])
    return file.getvalue()


def number_cells(values: np.ndarray) -> list[Any]:
    """Nothing for NaN."""
    return ["" if math.isnan(value) else value for value in values.tolist()]


def belief_cells(belief: Belief) -> dict[str, list[Any]]:
    """The sd of a measurement and its two parts, in the target's unit, by the names of their columns."""
    columns = (
        ("sd", belief.sd),
        ("epistemic", belief.epistemic),
        ("aleatoric", belief.aleatoric),
    )
    return {name: number_cells(values) for name, values in columns}


def _cell(cell: str) -> object:
    """As it stood; what a spreadsheet would run, and is no number, with an apostrophe."""
    return cell if as_number(cell) is not None else safe(cell)
