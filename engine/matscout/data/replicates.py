"""Rows with equal inputs are replicates of one candidate. Who is who does not depend on their order."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matscout.data.cells import InputCells
from matscout.data.text_table import TextTable
from matscout.errors import InputError
from matscout.trial import Value

_BASE_32 = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[byte % 32] for byte in range(256))
_ID_CHARS = 12
"""Sixty bits: two of 100,000 candidates share an id once in 10^8 tables. (Then the pool is refused.)"""


@dataclass(frozen=True)
class Merged:
    """n distinct candidates: ids, columns and groups (n,), every target's replicates, and notes."""

    ids: tuple[str, ...]
    columns: Mapping[str, tuple[Value, ...]]
    values: Mapping[str, tuple[tuple[float, ...], ...]]
    groups: tuple[str, ...]
    notes: tuple[str, ...]


def merge(
    table: TextTable,
    inputs: Sequence[InputCells],
    targets: Mapping[str, Sequence[float]],
    rows: Sequence[int],
    id: str | None,
) -> Merged:
    """The candidates among `rows`, in order of appearance.

    With an `id` column, rows of one id are one candidate; InputError where their inputs differ.
    """
    keys = list(zip(*(column.keys for column in inputs), strict=True))
    names = None if id is None else table.column(id)
    place: dict[object, int] = {}
    first: list[int] = []
    seen: dict[str, list[list[float]]] = {name: [] for name in targets}
    outcomes: set[tuple[object, ...]] = set()
    repeated = 0
    for row in rows:
        who = keys[row] if names is None else names[row]
        number = place.setdefault(who, len(first))
        if number == len(first):
            first.append(row)
            for replicates in seen.values():
                replicates.append([])
        elif keys[row] != keys[first[number]]:
            raise InputError(
                table.at(row),
                f"{id} {who!r} has other inputs than on line {table.lines[first[number]]}",
                "give every candidate its own id",
            )
        for name, values in targets.items():
            if not math.isnan(values[row]):
                seen[name][number].append(values[row])
        outcome = (number, *(values[row] for values in targets.values()))
        repeated += outcome in outcomes
        outcomes.add(outcome)
    if names is None:
        ids = _hashed([column.name for column in inputs], (keys[row] for row in first))
    else:
        ids = tuple(names[row] for row in first)
    values_of = {name: tuple(map(tuple, replicates)) for name, replicates in seen.items()}
    return Merged(
        ids,
        {column.name: tuple(column.values[row] for row in first) for column in inputs},
        values_of,
        _groups(inputs, first, ids),
        tuple(_notes(values_of, len(rows), repeated, len({keys[row] for row in first}))),
    )


def _hashed(names: Sequence[str], keys: Iterable[tuple[Value, ...]]) -> tuple[str, ...]:
    """`c` and twelve small letters or digits: no spreadsheet takes it for a number."""
    # By name, so that the order of the columns does not count.
    order = sorted(range(len(names)), key=lambda place: names[place])
    begun = hashlib.sha256(repr([names[place] for place in order]).encode())
    ids = []
    for key in keys:
        digest = begun.copy()
        digest.update(repr([key[place] for place in order]).encode())
        ids.append("c" + digest.digest()[:_ID_CHARS].translate(_BASE_32).decode())
    return tuple(ids)


def _groups(
    inputs: Sequence[InputCells], rows: Sequence[int], ids: tuple[str, ...]
) -> tuple[str, ...]:
    """By the first formula, else the first structure, else the id."""
    by_kind = {column.kind: column for column in reversed(inputs)}
    if "formula" in by_kind:
        from matscout.data.formula import reduced_formula

        return tuple(reduced_formula(str(by_kind["formula"].values[row])) for row in rows)
    if "structure" in by_kind:
        from matscout.data.formula import reduced_formula
        from matscout.data.structure_files import load_structure

        paths = by_kind["structure"].values
        return tuple(
            reduced_formula(load_structure(str(paths[row])).composition.formula.replace(" ", ""))
            for row in rows
        )
    return ids


def _notes(
    values: Mapping[str, Sequence[Sequence[float]]], rows: int, repeated: int, distinct: int
) -> list[str]:
    n = len(next(iter(values.values())))
    if n == rows:
        notes = [f"{n} candidates, each in one row"]
    else:
        most = max(len(replicates) for column in values.values() for replicates in column)
        notes = [f"{rows} rows are {n} candidates, measured up to {most} times each"]
    if repeated:
        which = "1 row repeats" if repeated == 1 else f"{repeated} rows repeat"
        notes.append(f"{which} an earlier one, the target too; they count as replicates")
    if distinct < n:
        notes.append(f"{n - distinct} candidates have the inputs of another under a different id")
    for name, column in values.items():
        blank = sum(1 for replicates in column if not replicates)
        if blank:
            notes.append(f"{blank} candidates have no {name!r}")
    return notes
