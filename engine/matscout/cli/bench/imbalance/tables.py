"""The tables of `bench imbalance`, read as those of `bench campaigns` are, and their grouped folds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from matscout.cli.bench.campaigns.tables import case
from matscout.errors import InputError, did_you_mean
from matscout.models import tabular
from matscout.models.tabular import Columns

Fold = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Source:
    """`said`: what is positive, and of what. `above`: beyond the limit is above it."""

    limit: float
    above: bool
    said: str


SOURCES = {
    "hardness": Source(40.0, True, "Vickers hardness above 40 GPa; composition and load"),
    "obelix": Source(-3.0, True, "conductivity above 1e-3 S/cm; composition and lattice"),
    "castelli": Source(0.2, False, "heat of formation below 0.2 eV; 1400 formulas drawn once"),
    "glass": Source(0.5, False, "forms no glass; 2000 formulas drawn once"),
}


@dataclass(frozen=True)
class Rows:
    """`columns` (n, d); `y` (n,) 1 where positive; `amounts` (n,) the number behind it; `groups` (n,),
    reduced formulas."""

    columns: Columns
    y: np.ndarray
    amounts: np.ndarray
    groups: np.ndarray


def tables_named(words: str) -> list[str]:
    """In the order of SOURCES; all if none is named."""
    named = [word.strip() for word in words.split(",") if word.strip()]
    for name in named:
        if name not in SOURCES:
            raise InputError("--tables", f"no table {name!r}", did_you_mean(name, SOURCES))
    return [name for name in SOURCES if name in named or not named]


def read(name: str, data: Path) -> Rows:
    """Element fractions and statistics of every formula, and the other inputs as they are."""
    about, own = case(name, data), SOURCES[name]
    pool, target = about.experiments.pool, about.protocol.target.name
    amounts = about.experiments.mean(target)
    measured = np.isfinite(amounts)
    numeric: dict[str, np.ndarray] = {}
    words: dict[str, np.ndarray] = {}
    formulas = [feature for feature in pool.features if pool.kinds.get(feature) == "formula"]
    for feature in pool.features:
        cells = pool.columns[feature]
        if feature in formulas:
            words[feature] = np.array([str(cell) for cell in cells], dtype=object)[measured]
        else:
            numbers = [np.nan if cell is None else float(cell) for cell in cells]
            numeric[feature] = np.array(numbers)[measured]
    columns = tabular.columns(numeric, words, formulas)
    kept = amounts[measured]
    positive = kept > own.limit if own.above else kept < own.limit
    groups = np.array(about.experiments.groups, dtype=object)[measured]
    return Rows(columns, positive.astype(np.int64), kept, groups)


def folds(rows: Rows, count: int, seed: int) -> list[Fold]:
    """Formulas whole, and positives in equal shares as far as that goes. InputError where a fold has
    no positive to learn or to judge.
    """
    maker = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    found = list(maker.split(rows.columns.x, rows.y, rows.groups.astype(str)))
    if any(len(np.unique(rows.y[part])) < 2 for fold in found for part in fold):
        raise InputError("--seeds", f"split {seed} has a fold without positives", "use fewer seeds")
    return found
