"""The tables of `bench lowdata`. None comes with matscout: `--data` names a folder that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matscout.data.composition import composition_features, element_fractions
from matscout.data.tables import read_table
from matscout.errors import InputError, did_you_mean

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """A CSV with a column of formulas. `grouped`: rows of a formula stay together."""

    path: str
    target: str
    unit: str
    formula: str = "formula"
    numbers: tuple[str, ...] = ()
    grouped: bool = False


SOURCES = {
    "steels": Source("matbench_formula/steels_yield.csv", "target", "MPa"),
    "hardness": Source(
        "hardness/hv_comp_load.csv", "hardness", "GPa", "composition", ("load",), grouped=True
    ),
    "jdft2d": Source("matbench_formula/jdft2d.csv", "target", "meV/atom"),
}


@dataclass(frozen=True)
class Rows:
    """Inputs (n, d): composition statistics, element fractions and numbers; targets (n,)."""

    x: Array
    y: Array
    groups: tuple[str, ...] | None


def chosen(words: str, sources: Mapping[str, Source] = SOURCES) -> list[str]:
    """Table names, in the order of `sources`; all if none is named."""
    named = [word.strip() for word in words.split(",") if word.strip()]
    for name in named:
        if name not in sources:
            raise InputError("--tables", f"no table {name!r}", did_you_mean(name, sources))
    return [name for name in sources if name in named or not named]


def require(
    data: Path | None, names: Sequence[str], sources: Mapping[str, Source] = SOURCES
) -> Path:
    """The folder, if it has all the files."""
    if data is None:
        raise InputError("--data", "is missing", "name the folder that holds the tables")
    for name in names:
        if not (data / sources[name].path).is_file():
            raise InputError(str(data / sources[name].path), "does not exist", "see --data")
    return data


def read(name: str, data: Path) -> Rows:
    return rows_of(SOURCES[name], data)


def rows_of(source: Source, data: Path) -> Rows:
    """InputError for a cell that is no formula, or a file that cannot be read."""
    table = read_table(
        data / source.path,
        source.target,
        inputs=(source.formula, *source.numbers),
        categorical=(source.formula,),
    )
    formulas = [str(text) for text in table.categorical[source.formula]]
    try:
        made = [composition_features(formulas)[1], element_fractions(formulas)[1]]
    except ValueError as error:
        raise InputError(str(data / source.path), str(error)) from None
    numbers = [table.numeric[name][:, None] for name in source.numbers]
    groups = tuple(formulas) if source.grouped else None
    return Rows(np.hstack([*made, *numbers]), table.target, groups)
