"""Experiments on record: a pool of distinct candidates, and what was measured of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matscout.data.cells import BadRows, InputCells, input_cells
from matscout.data.columns import Column, column_kinds
from matscout.data.decimal_comma import refuse_decimal_commas
from matscout.data.replicates import Merged, merge
from matscout.data.target_cells import require_variety, target_cells
from matscout.data.text_table import TextTable, as_number, is_missing, read_text_table
from matscout.errors import InputError, did_you_mean
from matscout.pool import KINDS, Pool

ON_BAD = ("refuse", "drop")
CENSORED = ("refuse", "bound")


@dataclass(frozen=True)
class Experiments:
    """`pool` holds the n distinct inputs. `values` maps a target to every replicate of every
    candidate, in the target's unit; a candidate that was never measured has none.

    `kinds` says what each column was taken for, `notes` what was found, merged, left out and
    dropped. `groups` (n,) names what must not be split between training and test: the reduced
    formula where there is a formula or a structure, else the id.
    """

    pool: Pool
    values: Mapping[str, tuple[tuple[float, ...], ...]]
    kinds: Mapping[str, str]
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pool)

    def mean(self, target: str) -> NDArray[np.float64]:
        """(n,) means over the replicates, NaN where there are none."""
        # Each divided first: the sum of two values near the largest float is infinite.
        return np.array(
            [
                math.fsum(y / len(seen) for y in seen) if seen else math.nan
                for seen in self._of(target)
            ]
        )

    def sem(self, target: str) -> NDArray[np.float64]:
        """(n,) standard errors of the means, sd / √k; NaN where there are fewer than two replicates."""
        return np.array(
            [
                np.std(seen, ddof=1) / math.sqrt(len(seen)) if len(seen) > 1 else math.nan
                for seen in self._of(target)
            ]
        )

    def _of(self, target: str) -> tuple[tuple[float, ...], ...]:
        if target not in self.values:
            raise InputError("targets", f"no target {target!r}", did_you_mean(target, self.values))
        return self.values[target]


def read_experiments(
    path: str | Path,
    targets: Sequence[str],
    *,
    inputs: Sequence[str] | None = None,
    ignore: Iterable[str] = (),
    id: str | None = None,
    kinds: Mapping[str, str] | None = None,
    on_bad: str = "refuse",
    censored: str = "refuse",
    classes: bool = False,
    header: Sequence[str] | None = None,
) -> Experiments:
    """Read a CSV whose rows are experiments. Rows with equal inputs are replicates of one candidate.

    inputs    the columns to learn from. None: all but targets, `ignore`, and what looks like an id,
              is always the same, or is mostly empty (see columns.py); the notes say which
    id        the column that identifies candidates. None: a hash of the inputs, which depends
              neither on the order of rows nor on that of columns
    kinds     overrides by column: number, category, formula, structure, id
    on_bad    drop: rows that cannot be read are left out, and named in the notes
    censored  bound: of a target such as `<1E-10`, the bound is taken as the value
    classes   a target of two text labels becomes 0 and 1; the rarer is 1
    header    the column names, for a file that has none

    Raises InputError, naming the line where there is one, for columns that are missing, for a
    target without numbers or that never varies, for numbers with decimal commas, and for cells that
    cannot be read.
    """
    for name, word, words in (("on_bad", on_bad, ON_BAD), ("censored", censored, CENSORED)):
        if word not in words:
            raise InputError(name, f"unknown {word!r}", did_you_mean(str(word), words))
    table = read_text_table(Path(path), header)
    wanted = _target_names(table, targets)
    folder = Path(path).parent
    columns = _columns(table, wanted, inputs, tuple(ignore), id, kinds or {}, folder)
    bad = BadRows(table)
    cells = [
        input_cells(table, name, _read_as(table, column), bad, folder)
        for name, column in columns.items()
        if column.kind in KINDS or (column.kind == "constant" and _is_full(table, name))
    ]
    if id is not None:
        for row, cell in enumerate(table.column(id)):
            if is_missing(cell):
                bad.add(row, f"no id in column {id!r}")
    values, notes = {}, _found(columns)
    for name in wanted:
        values[name], said = target_cells(
            table, name, bad, bounds=censored == "bound", classes=classes
        )
        notes += said
    if on_bad == "refuse":
        bad.refuse()
    rows = [row for row in range(len(table.rows)) if row not in bad.reasons]
    if not rows:
        raise InputError(table.name, "no row can be used", "; ".join(bad.note()))
    for name in wanted:
        require_variety(table, name, [values[name][row] for row in rows])
    notes += _same(cells, columns)
    found = merge(table, cells, values, rows, id)
    taken = {name: column.kind for name, column in columns.items()}
    return Experiments(
        _pool(table, found, columns), found.values, taken, found.groups,
        (*notes, *bad.note(), *found.notes),
    )  # fmt: skip


def _target_names(table: TextTable, targets: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys([targets] if isinstance(targets, str) else targets))
    if not names:
        raise InputError("targets", "none is named", did_you_mean("", table.header))
    for name in names:
        table.column(name)
    return names


def _columns(
    table: TextTable,
    targets: tuple[str, ...],
    inputs: Sequence[str] | None,
    ignore: tuple[str, ...],
    id: str | None,
    kinds: Mapping[str, str],
    folder: Path,
) -> dict[str, Column]:
    """Every column that may be an input or was left out for what it holds, in the table's order."""
    for name in (*(inputs or ()), *ignore, *kinds, *([] if id is None else [id])):
        table.column(name)
        if name in targets:
            raise InputError(table.name, f"{name!r} is a target and cannot be anything else")
    names = [
        name
        for name in table.header
        if name not in targets
        and name not in ignore
        and (inputs is None or name in inputs or name == id)
    ]
    for name in names:
        if name not in kinds and name != id:
            refuse_decimal_commas(table, name, ", or say category")
    found = column_kinds(table, names, folder, said=kinds, wanted=inputs or ())
    if id is not None and id in found and id not in {*(inputs or ()), *kinds}:
        # A formula or a structure identifies and tells something; a mere name only identifies.
        only_a_name = found[id].kind not in ("formula", "structure")
        found[id] = Column(id, "id", "as said") if only_a_name else found[id]
    if not any(column.kind in KINDS for column in found.values()):
        told = ", ".join(f"{c.name!r} ({c.kind})" for c in found.values()) or "there is no other"
        raise InputError(table.name, f"no input column that varies: {told}", "name one in inputs")
    return found


def _read_as(table: TextTable, column: Column) -> str:
    if column.kind != "constant":
        return column.kind
    numbers = all(as_number(cell) is not None for cell in table.column(column.name))
    return "number" if numbers else "category"


def _is_full(table: TextTable, name: str) -> bool:
    return not any(map(is_missing, table.column(name)))


def _found(columns: Mapping[str, Column]) -> list[str]:
    """The notes on what the columns are, kind by kind, and on those left out."""
    notes = []
    for kind in KINDS:
        names = [column.name for column in columns.values() if column.kind == kind]
        if names:
            notes.append(f"inputs that are {_PLURAL[kind]}: {', '.join(names)}")
    for column in columns.values():
        if column.kind not in KINDS:
            notes.append(f"left out {column.name!r}: {column.kind} ({column.why})")
        elif column.why and column.why != "as said":
            notes.append(f"{column.name!r}: {column.why}")
    return notes


def _same(cells: Sequence[InputCells], columns: Mapping[str, Column]) -> list[str]:
    """Notes on labels and formulas that say the same under two names: a model would count it twice."""
    notes: list[str] = []
    seen: dict[tuple[int, ...], str] = {}
    for column in cells:
        if columns[column.name].kind in ("category", "formula"):
            code: dict[object, int] = {}
            pattern = tuple(code.setdefault(key, len(code)) for key in column.keys)
            if pattern in seen:
                notes.append(
                    f"{column.name!r} says the same as {seen[pattern]!r}: ignore one of them"
                )
            seen.setdefault(pattern, column.name)
    return notes


_PLURAL = {
    "number": "numbers",
    "category": "categories",
    "formula": "formulas",
    "structure": "structures",
}


def _pool(table: TextTable, found: Merged, columns: Mapping[str, Column]) -> Pool:
    features = tuple(name for name in found.columns if columns[name].kind in KINDS)
    kinds = {name: columns[name].kind for name in features}
    try:
        return Pool(found.ids, found.columns, features, kinds)
    except InputError as error:
        raise error.within(table.name) from None
