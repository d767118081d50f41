"""Blocks of numbers on crystals, and the folder that keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from matscout.data.graphs import GraphStore
from matscout.data.structure_blocks import structure_blocks


def test_what_the_store_has_lost_is_still_in_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may be deleted while a command writes into it: no row may shift into another's place."""
    salts = [Structure(Lattice.cubic(a), ["Na", "Cl"], [[0, 0, 0], [0.5] * 3]) for a in (3.4, 3.6)]
    alone = structure_blocks(salts, wanted=["geometry"])["geometry"][1]
    structure_blocks(salts[1:], folder=tmp_path, wanted=["geometry"])
    monkeypatch.setattr(GraphStore, "add", lambda *_: None)
    kept = structure_blocks(salts, folder=tmp_path, wanted=["geometry"])["geometry"][1]
    assert np.array_equal(kept, alone)
