"""Measured enthalpies of formation that pymatgen ships, for pretraining on compositions.

The 2,135 compounds by which the Materials Project fitted its energy corrections (A. Wang et al., Sci.
Rep. 11, 15496 (2021)); pymatgen keeps them in a private file.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pymatgen import analysis
from pymatgen.core import Composition

from matscout.errors import InputError


@dataclass(frozen=True)
class FormationEnthalpies:
    """`n` compounds at 298 K: reduced formulas; enthalpy and its standard uncertainty (NaN where
    none is given), both (n,) in eV/atom."""

    formulas: tuple[str, ...]
    enthalpy: np.ndarray
    uncertainty: np.ndarray

    def __len__(self) -> int:
        return len(self.formulas)


@lru_cache(maxsize=1)
def formation_enthalpies() -> FormationEnthalpies:
    """One row for each reduced formula: of several, the first whose enthalpy is the lowest.

    Raises InputError where this pymatgen ships no such file.
    """
    path = Path(analysis.__path__[0]) / "compatibility" / "exp_compounds.json.gz"
    if not path.is_file():
        raise InputError("formation enthalpies", "this pymatgen ships none", "pin pymatgen")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        raw = json.load(file)
    found: dict[str, tuple[float, float]] = {}
    for entry in raw:
        composition = Composition(entry["formula"])
        atoms = composition.num_atoms  # the file's energies are per formula unit, as it is written
        value = float(entry["exp energy"]) / atoms
        given = entry.get("uncertainty")
        doubt = float("nan") if given is None else float(given) / atoms
        formula = composition.reduced_formula
        if np.isfinite(value) and (formula not in found or value < found[formula][0]):
            found[formula] = (value, doubt)
    values = np.array(list(found.values()), dtype=np.float64)
    return FormationEnthalpies(tuple(found), values[:, 0], values[:, 1])
