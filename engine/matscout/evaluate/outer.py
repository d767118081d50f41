"""The outer folds of a nested cross-validation: rows that a sweep never sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from matscout.data.split_names import GROUPED
from matscout.data.splits import Fold, split
from matscout.data.tables import Table


def outer_fold(
    table: Table, count: int, number: int, *, kind: str, classes: bool, seed: int
) -> Fold:
    """(visible rows, hidden rows) of outer fold `number` of `count`, as ascending row numbers.

    Groups stay whole where `kind` keeps them so; classes keep their share; else rows are drawn at
    random, whatever the inner objective. Raises InputError for too few rows, groups or of a class.
    """
    way = kind if kind in GROUPED else "stratified" if classes else "kfold"
    groups = table.groups
    made = split(way, table.target, folds=count, groups=groups, classes=classes, seed=seed)
    return made[number]


def own_seed(split_seed: int) -> int:
    """Of the outer folds, where nobody names one: other folds than the inner ones of that seed."""
    return int(np.random.SeedSequence(split_seed, spawn_key=(1,)).generate_state(1)[0])


def sealed_seed(split_seed: int) -> int:
    """Of the sealed test set."""
    return int(np.random.SeedSequence(split_seed, spawn_key=(2,)).generate_state(1)[0])


def only(table: Table, rows: np.ndarray) -> Table:
    """`table` with these rows and no trace of the others."""

    def kept(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: values[rows] for name, values in columns.items()}

    return replace(
        table,
        target=table.target[rows],
        numeric=kept(table.numeric),
        categorical=kept(table.categorical),
        groups=None if table.groups is None else table.groups[rows],
        times=None if table.times is None else table.times[rows],
        blocks=kept(table.blocks),
    )
