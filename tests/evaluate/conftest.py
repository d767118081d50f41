"""Tiny crystals with a property that a network can learn of elements, and nothing can of few."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout.data.structures import StructureSet, save_structures

CATIONS = ("Li", "Na", "K", "Rb", "Cs", "Mg", "Ca", "Ba")
ANIONS = ("F", "Cl", "Br", "I", "O", "S", "Se", "N")
FEW = 24


@dataclass(frozen=True)
class Salts:
    """All 64 pairs of a cation and an anion in the CsCl cell; `worth` (64,) is the sum of a number for
    each element. `few` are the first FEW of them, with 1 - 2 `worth`; `many` all, with `worth`."""

    structures: tuple[Structure, ...]
    worth: np.ndarray
    few: Path
    many: Path


def write(path: Path, structures: tuple[Structure, ...], target: np.ndarray) -> Path:
    ids = tuple(f"c{k}" for k in range(len(structures)))
    save_structures(path, StructureSet(ids, structures, target))
    return path


@pytest.fixture(scope="session")
def salts(tmp_path_factory: pytest.TempPathFactory) -> Salts:
    folder = tmp_path_factory.mktemp("salts")
    rng = np.random.default_rng(0)
    each = dict(zip(CATIONS + ANIONS, rng.normal(size=16), strict=True))
    pairs = rng.permutation([(a, b) for a in CATIONS for b in ANIONS])
    worth = np.array([each[a] + each[b] for a, b in pairs])
    cell, places = Lattice.cubic(4.0), [[0, 0, 0], [0.5, 0.5, 0.5]]
    found = tuple(Structure(cell, [str(a), str(b)], places) for a, b in pairs)
    few = write(folder / "few.jsonl", found[:FEW], 1.0 - 2.0 * worth[:FEW])
    return Salts(found, worth, few, write(folder / "many.jsonl", found, worth))
