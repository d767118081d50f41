"""Rows with equal inputs as groups: copies and replicates that no column of the table holds together."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from matscout.data.formula import is_formula, reduced_formula
from matscout.data.tables import Table


def equal_inputs(table: Table, formulas: Collection[str] = ()) -> np.ndarray:
    """(n,) of text: the number of the first row with the same inputs. Missing equals missing; of the
    columns `formulas` the composition counts (`Fe2O3` is `Fe4O6`), as it does to every model.
    """
    columns: list[list[object]] = []
    for values in (*table.numeric.values(), *_columns_of(table)):
        columns.append([None if np.isnan(v) else float(v) for v in values])
    for name, words in table.categorical.items():
        cells = [str(word) for word in words]
        columns.append([_name(cell) if name in formulas else cell for cell in cells])
    first: dict[tuple[object, ...], int] = {}
    rows = zip(*columns, strict=True) if columns else (() for _ in range(len(table)))
    return np.array([str(first.setdefault(key, k)) for k, key in enumerate(rows)], dtype=object)


def _columns_of(table: Table) -> list[np.ndarray]:
    return [column for block in table.blocks.values() for column in np.asarray(block).T]


def _name(cell: str) -> str:
    return reduced_formula(cell) if is_formula(cell) else cell
