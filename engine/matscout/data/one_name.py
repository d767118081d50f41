"""One name for a number however it is written: `3.0` is the group, or the class, `3`."""

from __future__ import annotations

from collections.abc import Sequence

from matscout.data.text_table import as_number, is_missing


def one_name(cells: Sequence[str]) -> list[str]:
    """The cells, each number as it is written where it comes first; as they are where any that is
    filled is no number.
    """
    keys = [_number(cell) for cell in cells]
    if any(key is None and not is_missing(cell) for key, cell in zip(keys, cells, strict=True)):
        return list(cells)
    first: dict[int | float, str] = {}
    return [
        cell if key is None else first.setdefault(key, cell)
        for key, cell in zip(keys, cells, strict=True)
    ]


def same_name(cell: str, names: Sequence[str]) -> str:
    """That of `names` which is the same number as `cell`, where all are numbers; else `cell`."""
    return one_name([*names, cell])[-1]


def _number(cell: str) -> int | float | None:
    """Whole numbers to the last digit: long ids differ where floats do not."""
    number = as_number(cell)
    if number is not None and cell.lstrip("+-").isdecimal():
        return int(cell)
    return number
