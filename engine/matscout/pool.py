"""A pool of candidates: rows with stable ids, kept by column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from matscout.errors import InputError, did_you_mean
from matscout.trial import Value

if TYPE_CHECKING:
    import numpy as np


KINDS = ("number", "category", "formula", "structure")
"""What a feature may be: a number, a label, a chemical formula, or the path of a structure file."""


@dataclass(frozen=True)
class Pool:
    """Candidates to choose from. An id never depends on a row's position.

    `columns` holds what the evaluator is given; `features` names the columns that the surrogate
    sees, and `kinds` says what each of them is (one of `KINDS`; a number unless said otherwise).
    """

    ids: tuple[str, ...]
    columns: Mapping[str, tuple[Value, ...]]
    features: tuple[str, ...]
    kinds: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.ids:
            raise InputError("space.pool", "the pool is empty", "list at least one candidate")
        if len(self._rows) != len(self.ids):
            seen: set[str] = set()
            twice = next(i for i in self.ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            raise InputError(
                "space.pool", f"duplicate candidate id {twice!r}", "give every candidate its own id"
            )
        for name, column in self.columns.items():
            if len(column) != len(self.ids):
                raise InputError(
                    f"space.pool.{name}", f"{len(column)} values for {len(self.ids)} candidates"
                )
        for name in self.features:
            if name not in self.columns:
                raise InputError(
                    "space.pool.features", f"no column {name!r}", did_you_mean(name, self.columns)
                )
        for name in self.kinds:
            if name not in self.features:
                mend = did_you_mean(name, self.features) if self.features else ""
                raise InputError("space.pool.kinds", f"no feature {name!r}", mend)
        kinds = {name: self.kinds.get(name, "number") for name in self.features}
        object.__setattr__(self, "kinds", kinds)
        for name, kind in kinds.items():
            self._check(name, kind)

    def _check(self, name: str, kind: str) -> None:
        """That every candidate's value is of this kind, as far as can be seen without chemistry."""
        if kind not in KINDS:
            where = f"space.pool.kinds.{name}"
            raise InputError(where, f"unknown {kind!r}", did_you_mean(str(kind), KINDS))
        column = self.columns[name]
        if kind == "number" and _all_numbers(column):  # the usual case, and much the faster
            return
        holds = _HOLDS.get(kind, _is_text)
        for row, value in enumerate(column):
            if not holds(value):
                a = {"number": "a number", "category": "text, a number or a truth value"}
                raise InputError(
                    f"space.pool.{name}",
                    f"candidate {self.ids[row]!r} has {value!r:.60}, but a feature must be "
                    f"{a.get(kind, f'the text of a {kind}')}",
                    "fill it in, or leave the column out of features",
                )

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {candidate: row for row, candidate in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, candidate: object) -> bool:
        return candidate in self._rows

    def row(self, candidate: str) -> int:
        return self._rows[candidate]

    def params(self, candidate: str) -> dict[str, Value]:
        row = self._rows[candidate]
        return {name: column[row] for name, column in self.columns.items()}

    @property
    def numbers(self) -> tuple[str, ...]:
        """The features that are numbers."""
        return tuple(name for name in self.features if self.kinds[name] == "number")

    @cached_property
    def matrix(self) -> np.ndarray:
        """The numbers of every candidate, (n_candidates, n_numbers) float64, in the order of ids."""
        import numpy as np

        table = np.array([self.columns[name] for name in self.numbers], dtype=np.float64)
        return np.ascontiguousarray(table.T).reshape(len(self.ids), len(self.numbers))

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        id: str = "id",
        features: Sequence[str] | None = None,
        kinds: Mapping[str, str] | None = None,
    ) -> Pool:
        """A pool from mappings that all have the same keys; `id` names the one that identifies.

        Without `features`, every numeric column is one, and every column that `kinds` names.
        """
        table = list(rows)
        if not table:
            raise InputError("space.pool", "the pool is empty", "list at least one candidate")
        names = list(table[0])
        if id not in names:
            raise InputError("space.pool", f"no column {id!r}", did_you_mean(id, names))
        for number, row in enumerate(table):
            if list(row) != names and set(row) != set(names):
                odd = sorted(set(row) ^ set(names))
                raise InputError("space.pool", f"candidate {number + 1} differs in keys {odd}")
        kept = {*names} - {id} | {*(features or ()), *(kinds or {})}  # a formula may be both
        columns = {name: tuple(row[name] for row in table) for name in names if name in kept}
        if features is None:
            features = [
                name
                for name, column in columns.items()
                if name in (kinds or {}) or all(map(_numeric, column))
            ]
        return cls(tuple(str(row[id]) for row in table), columns, tuple(features), kinds or {})

    def to_rows(self) -> list[dict[str, Value]]:
        """The rows again, each with its id under `id`."""
        return [{"id": candidate, **self.params(candidate)} for candidate in self.ids]


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    try:
        return _numeric(value) and not math.isnan(value)
    except OverflowError:  # a whole number beyond the floats
        return False


def _all_numbers(column: Sequence[Any]) -> bool:
    try:
        return set(map(type, column)) <= {int, float} and not any(map(math.isnan, column))
    except OverflowError:
        return False


def _is_label(value: Any) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


_HOLDS = {"number": _is_number, "category": _is_label}
