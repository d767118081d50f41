"""The scarce targets of `bench scarcity`, and the abundant ones that experts learn from.

Two tables are read from `--data`; the rest the product makes itself: CHGNet's properties of
substituted prototypes, and the measured enthalpies that pymatgen ships.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from matscout.data.composition import composition_features
from matscout.data.formation_enthalpies import formation_enthalpies
from matscout.data.formula import reduced_formula
from matscout.data.structures import load_structures
from matscout.data.tables import read_table
from matscout.errors import InputError, did_you_mean
from matscout.evaluate.pretraining import pretraining_set

SCARCE_CRYSTALS = 700
ABUNDANT_CRYSTALS, ABUNDANT_AT_REST = 2000, 900
SCARCE_SEED, ABUNDANT_SEED = 12, 11


@dataclass(frozen=True)
class Target:
    """`of`: phonons and jdft2d are files in the folder of tables, a column of `pretraining_set`, or
    "enthalpy". `near`: experts that know too much of it: those of the same property, and CHGNet itself
    where CHGNet has made the numbers."""

    of: str
    unit: str
    said: str
    near: tuple[str, ...] = ()
    file: str = ""
    crystals: bool = True


TARGETS = {
    "phonons": Target(
        "phonons", "1/cm", "last peak of the phonon density of states (Petretto 2018)",
        file="phonons/matbench_phonons.json.gz",
    ),
    "jdft2d": Target(
        "jdft2d", "meV/atom", "exfoliation energy (JARVIS), mean of each formula; no structures",
        file="matbench_formula/jdft2d.csv", crystals=False,
    ),
    "enthalpy": Target(
        "enthalpy", "eV/atom", "measured enthalpy of formation (pymatgen); no structures",
        ("enthalpy",), crystals=False,
    ),
    "energy": Target(
        "energy_eV_atom", "eV/atom", "CHGNet's energy of substituted prototypes",
        ("energy", "chgnet"),
    ),
    "magmom": Target(
        "magmom_muB_atom", "μB/atom", "CHGNet's mean magnetic moment of the same",
        ("magmom", "chgnet"),
    ),
    "volume": Target(
        "rest_volume_A3_atom", "Å³/atom", "CHGNet's volume at rest of the same",
        ("volume", "chgnet"),
    ),
    "bulk_modulus": Target(
        "bulk_modulus_GPa", "GPa", "CHGNet's bulk modulus of the same",
        ("bulk_modulus", "chgnet"),
    ),
}  # fmt: skip

ABUNDANT = {
    "energy": "energy_eV_atom",
    "magmom": "magmom_muB_atom",
    "volume": "rest_volume_A3_atom",
    "bulk_modulus": "bulk_modulus_GPa",
}
"""Source tasks that CHGNet makes, by the columns of `pretraining_set`."""


@dataclass(frozen=True)
class Rows:
    """Reduced formulas, targets (n,) and, where there are any, structures."""

    formulas: tuple[str, ...]
    y: np.ndarray
    structures: tuple[Structure, ...] = ()


def targets_named(words: str) -> list[str]:
    """In the order of TARGETS; all if none is named."""
    named = [word.strip() for word in words.split(",") if word.strip()]
    for name in named:
        if name not in TARGETS:
            raise InputError("--targets", f"no target {name!r}", did_you_mean(name, TARGETS))
    return [name for name in TARGETS if name in named or not named]


def require(data: Path | None, names: Sequence[str]) -> None:
    """InputError unless the files of these targets are there."""
    for name in names:
        file = TARGETS[name].file
        if file and data is None:
            mend = f"name the folder that holds {file}, or leave {name} out of --targets"
            raise InputError("--data", f"{name} needs a folder", mend)
        if file and data is not None and not (data / file).is_file():
            raise InputError(str(data / file), "there is no such file", "put it there")


def read(name: str, data: Path | None, made: Path) -> Rows:
    """All rows of a scarce target. `made`: what CHGNet has said so far (a file, added to)."""
    target = TARGETS[name]
    if target.file and data is not None:
        return _of_file(name, data / target.file)
    if name == "enthalpy":
        return of_enthalpies()
    return of_prototypes(target.of, SCARCE_CRYSTALS, SCARCE_SEED, made)


def of_enthalpies() -> Rows:
    """Measured enthalpies of formation, their formulas reduced as those of the other tables: pymatgen
    writes `Li2O2`, and would not find it there."""
    known = formation_enthalpies()
    return Rows(tuple(map(reduced_formula, known.formulas)), known.enthalpy)


def of_prototypes(column: str, n: int, seed: int, made: Path, *, rest: bool = True) -> Rows:
    """Of `n` prototypes those that have this property; without `rest`, as they stand."""
    found = pretraining_set(n, seed, rest=rest, cache=made)
    y = found.column(column)
    kept = np.flatnonzero(np.isfinite(y))
    structures = tuple(found.crystals[k].structure for k in kept)
    return Rows(_formulas(structures), y[kept], structures)


def without(rows: Rows, formulas: frozenset[str]) -> Rows:
    """Without the rows of these compositions."""
    kept = [k for k, formula in enumerate(rows.formulas) if formula not in formulas]
    structures = tuple(rows.structures[k] for k in kept) if rows.structures else ()
    return Rows(tuple(rows.formulas[k] for k in kept), rows.y[kept], structures)


def columns_of(formulas: Sequence[str]) -> np.ndarray:
    """(n, 86): statistics of the elements' properties, which need no fitting and mean the same in
    every table."""
    return composition_features(formulas)[1]


def _of_file(name: str, path: Path) -> Rows:
    if name == "phonons":
        found = load_structures(path, "last phdos peak")
        return Rows(_formulas(found.structures), found.target, found.structures)
    table = read_table(path, "target", inputs=("formula",), categorical=("formula",))
    by_formula: dict[str, list[float]] = {}
    for text, value in zip(table.categorical["formula"], table.target, strict=True):
        by_formula.setdefault(reduced_formula(str(text)), []).append(float(value))
    # A composition model cannot tell polymorphs apart; drawn apart, they would leak.
    means: Mapping[str, float] = {key: float(np.mean(each)) for key, each in by_formula.items()}
    return Rows(tuple(means), np.array(list(means.values())))


def _formulas(structures: Sequence[Structure]) -> tuple[str, ...]:
    return tuple(reduced_formula(s.composition.formula.replace(" ", "")) for s in structures)
