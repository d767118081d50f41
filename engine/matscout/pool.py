"""A pool of candidates: rows with stable ids, kept by column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from matscout.errors import InputError, did_you_mean
from matscout.trial import Value

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Pool:
    """Candidates to choose from. An id never depends on a row's position.

    `columns` holds what the evaluator is given; `features` names the numeric columns that the
    surrogate sees.
    """

    ids: tuple[str, ...]
    columns: Mapping[str, tuple[Value, ...]]
    features: tuple[str, ...]

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
            for row, value in enumerate(self.columns[name]):
                if (
                    isinstance(value, bool)
                    or not isinstance(value, int | float)
                    or math.isnan(value)
                ):
                    raise InputError(
                        f"space.pool.{name}",
                        f"candidate {self.ids[row]!r} has {value!r}, but a feature must be a number",
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

    @cached_property
    def matrix(self) -> np.ndarray:
        """Features of every candidate, (n_candidates, n_features) float64, in the order of ids."""
        import numpy as np

        table = np.array([self.columns[name] for name in self.features], dtype=np.float64)
        return np.ascontiguousarray(table.T).reshape(len(self.ids), len(self.features))

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        *,
        id: str = "id",
        features: Sequence[str] | None = None,
    ) -> Pool:
        """A pool from mappings that all have the same keys; `id` names the one that identifies.

        Without `features`, every numeric column is one.
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
        columns = {name: tuple(row[name] for row in table) for name in names if name != id}
        if features is None:
            features = [name for name, column in columns.items() if all(map(_numeric, column))]
        return cls(tuple(str(row[id]) for row in table), columns, tuple(features))

    def to_rows(self) -> list[dict[str, Value]]:
        """The rows again, each with its id under `id`."""
        return [{"id": candidate, **self.params(candidate)} for candidate in self.ids]


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
