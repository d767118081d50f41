"""A column of times as numbers: dates, or numbers that grow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from matscout.data.text_table import as_number
from matscout.errors import InputError

_FORMATS = ("%d.%m.%Y", "%Y/%m/%d", "%Y-%m", "%Y")
"""Beside ISO 8601. Days and months in American order are refused: 3/4 may be either."""


def as_times(cells: Sequence[str], where: str = "times") -> np.ndarray:
    """(n,) numbers that grow with time: numbers as they are (hours, cycles, years), else the seconds
    of dates, ISO 8601 or such as 31.12.2024. Raises InputError, naming the first cell that is neither.
    """
    numbers = [as_number(cell) for cell in cells]
    if all(number is not None for number in numbers):
        return np.array(numbers, dtype=float)
    out = np.full(len(cells), math.nan)
    for row, cell in enumerate(cells):
        moment = _moment(cell)
        if moment is None:
            what = f"row {row + 1} of the column of times has {cell!r:.40}"
            raise InputError(where, what, "write dates as 2024-12-31, or numbers throughout")
        out[row] = (moment - datetime(1970, 1, 1)).total_seconds()
    return out


def _moment(cell: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(cell)
    except ValueError:
        for form in _FORMATS:
            try:
                return datetime.strptime(cell, form)
            except ValueError:
                continue
        return None
    offset = found.utcoffset()
    return (found if offset is None else found - offset).replace(tzinfo=None)
