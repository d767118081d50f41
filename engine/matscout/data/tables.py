"""A table's file as a small frozen table: numbers, words, one target. A bad cell is named by line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from matscout.data.columns import as_bound
from matscout.data.decimal_comma import AS_WORDS, refuse_decimal_commas
from matscout.data.no_square import refuse_no_square
from matscout.data.one_name import one_name
from matscout.data.text_table import MISSING, TextTable, as_number, is_missing, read_text_table
from matscout.data.times import as_times
from matscout.errors import InputError, did_you_mean

__all__ = ["MISSING", "Table", "read_table"]

CENSORED = ("refuse", "bound")


@dataclass(frozen=True)
class Table:
    """`n` rows. Nothing is imputed, scaled or encoded here: that belongs inside a training fold.

    `numeric` maps a column to (n,) floats, NaN where missing; `categorical` to (n,) text, "" where
    missing. `target` is (n,) floats; for classes, each label's place in `classes` (sorted).
    `groups` is the text of the group column, (n,), one text for a number, or None; `times` the numbers
    of the column of times (see times.py), (n,), or None. Of a column of structures `categorical` has
    the reduced formulas, and `blocks`, by name, (n, k) numbers on what else is known of them.
    """

    name: str
    target_name: str
    target: np.ndarray
    numeric: Mapping[str, np.ndarray] = field(default_factory=dict)
    categorical: Mapping[str, np.ndarray] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    blocks: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    @property
    def columns(self) -> tuple[str, ...]:
        """The inputs, numbers first."""
        return (*self.numeric, *self.categorical)


def read_table(
    path: str | Path,
    target: str,
    *,
    inputs: Sequence[str] | None = None,
    categorical: Iterable[str] = (),
    group: str | None = None,
    time: str | None = None,
    classes: bool = False,
    censored: str = "refuse",
    structures: str | None = None,
    structure_cache: Path | None = None,
) -> Table:
    """Read a table: comma-separated UTF-8 with a header, JSON or Parquet (`read_text_table`).

    `inputs` are the columns to learn from (all but target, group and time, if None). A column of numbers
    is numeric unless it is listed in `categorical`. With `classes` the target is a label. Of a target
    such as `<1E-10` the bound is taken as the value if `censored` is "bound". `structures` is a
    column of crystal structures, an input in any case (see structure_column.py).

    Raises InputError for a file that is missing, too large, empty or ragged, for an unknown column,
    for numbers with decimal commas or so large that they have no square, and for a target that is
    missing or no finite number, with its line.
    """
    raw = read_text_table(Path(path))
    goal = raw.column(target)
    groups = None if group is None else np.array(one_name(raw.column(group)), dtype=object)
    if inputs is None:
        chosen = [c for c in raw.header if c not in (target, group, time)]
    else:
        chosen = list(dict.fromkeys(inputs))
        if target in chosen:
            raise InputError(
                raw.name, f"'{target}' is both input and target", "drop it from inputs"
            )
    if structures is not None and structures not in chosen:
        chosen.append(structures)
    if not chosen:
        raise InputError(raw.name, "no input column beside the target", "add one")
    words = [*categorical, *([] if structures is None else [structures])]
    for column in words:
        raw.column(column)
    labels: tuple[str, ...] = ()
    if classes:
        values, labels = _classes(raw, target, goal)
    else:
        if censored not in CENSORED:
            raise InputError("censored", f"unknown {censored!r}", did_you_mean(censored, CENSORED))
        values = _target(raw, target, goal, bounds=censored == "bound")
    numeric, text = _inputs(raw, chosen, words)
    times = None if time is None else as_times(raw.column(time), f"{raw.name}: {time!r}")
    blocks: dict[str, np.ndarray] = {}
    if structures is not None:
        from matscout.data.structure_column import structure_column

        crystals = structure_column(raw, structures, Path(path).parent, structure_cache)
        text[structures] = np.array(crystals.formulas, dtype=object)
        blocks = dict(crystals.blocks)
        groups = text[structures] if group == structures else groups
    return Table(raw.name, target, values, numeric, text, labels, groups, times, blocks)


def _target(raw: TextTable, name: str, cells: list[str], *, bounds: bool) -> np.ndarray:
    values = np.empty(len(cells))
    refuse_decimal_commas(raw, name)
    for row, cell in enumerate(cells):
        number = as_number(cell)
        if number is None and bounds:
            number = as_bound(cell)
        if number is None:
            shown = "nothing" if is_missing(cell) else f"'{cell:.40}'"
            raise InputError(
                raw.at(row), f"target '{name}' must be a finite number, got {shown}", "drop the row"
            )
        values[row] = number
    refuse_no_square(raw, name, values.tolist())
    return values


def _classes(raw: TextTable, name: str, cells: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    for row, cell in enumerate(cells):
        if is_missing(cell):
            raise InputError(raw.at(row), f"no label in target '{name}'", "drop the row")
    cells = one_name(cells)
    labels = tuple(sorted(set(cells), key=_label_order))
    if len(labels) < 2:
        raise InputError(raw.name, f"target '{name}' has one class only ('{labels[0]:.40}')")
    if len(labels) > max(2, len(cells) // 2):
        raise InputError(
            raw.name, f"target '{name}' has {len(labels)} classes in {len(cells)} rows",
            "use task = 'regression' for numbers",
        )  # fmt: skip
    alike: dict[str, str] = {}
    for label in labels:
        if (other := alike.setdefault(label.casefold(), label)) != label:
            what = f"target '{name}' has the labels '{other:.40}' and '{label:.40}'"
            raise InputError(raw.name, what, "write them alike, or more different than by case")
    place = {label: k for k, label in enumerate(labels)}
    return np.array([place[cell] for cell in cells], dtype=float), labels


def _label_order(label: str) -> tuple[bool, float, str]:
    """Numbers by value ahead of words, so that of the labels 0 and 1 the positive class is 1."""
    number = as_number(label)
    return (number is None, number if number is not None else 0.0, label)


def _inputs(
    raw: TextTable, chosen: Sequence[str], words: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    numeric: dict[str, np.ndarray] = {}
    text: dict[str, np.ndarray] = {}
    for column in chosen:
        cells = raw.column(column)
        known = [(row, cell) for row, cell in enumerate(cells) if not is_missing(cell)]
        if not known:
            raise InputError(raw.name, f"column '{column}' is empty", "leave it out of inputs")
        numbers = {row: number for row, cell in known if (number := as_number(cell)) is not None}
        if column in words or not numbers:
            present = {row for row, _ in known}
            clean = [cell if row in present else "" for row, cell in enumerate(cells)]
            text[column] = np.array(clean, dtype=object)
        elif len(numbers) < len(known):
            refuse_decimal_commas(raw, column, AS_WORDS)
            row, cell = next((row, cell) for row, cell in known if row not in numbers)
            raise InputError(
                raw.at(row), f"'{cell:.40}' among the numbers of column '{column}'",
                "mend it, or list the column under categorical",
            )  # fmt: skip
        else:
            filled = [numbers.get(row, math.nan) for row in range(len(cells))]
            refuse_no_square(raw, column, filled, "column")
            numeric[column] = np.array(filled)
    return numeric, text
