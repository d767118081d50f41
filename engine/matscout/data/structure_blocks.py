"""Crystals as three blocks of numbers, for a model with a kernel a block: what they are made of, what
CHGNet sees in them, how their atoms are arranged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from matscout.data import crystal_features, geometry
from matscout.data.composition import composition_features
from matscout.data.graphs import GraphStore

Array = NDArray[np.float64]
BLOCKS = ("composition", "chgnet", "geometry")

_VERSIONS = {"chgnet": f"chgnet {crystal_features.MODEL} 1", "geometry": "geometry 1"}
"""Of what is kept on disk: to be raised with any change of the numbers."""
_TO_A_PACK = 256


def structure_blocks(
    structures: Sequence[Structure],
    *,
    folder: Path | None = None,
    names: Sequence[str] | None = None,
    wanted: Sequence[str] = BLOCKS,
) -> dict[str, tuple[list[str], Array]]:
    """For each wanted block the names of its columns and the numbers, (n, columns), in the data's
    own units: nothing is fitted or scaled. Composition is Ward's statistics (data/composition.py);
    "chgnet" needs the extra `oracle`, 10 ms a crystal of ten atoms.

    What takes time is kept in a store in `folder`, if given (data/graphs.py), so that it goes on where
    it was stopped. `names` (n,) say in an error which structure it is about. Raises InputError as
    `crystal_features` and `geometry_features` do.
    """
    out: dict[str, tuple[list[str], Array]] = {}
    if "composition" in wanted:
        # Reduced: pymatgen's own formulas of big cells are no different materials.
        out["composition"] = composition_features(
            [structure.composition.reduced_formula for structure in structures]
        )
    if "chgnet" in wanted:
        columns = [f"chgnet {k}" for k in range(crystal_features.WIDTH)]
        table = _kept(structures, "chgnet", crystal_features.crystal_features, folder, names)
        out["chgnet"] = (columns, table)
    if "geometry" in wanted:
        table = _kept(structures, "geometry", geometry.geometry_features, folder, names)
        out["geometry"] = (list(geometry.NAMES), table)
    return out


Compute = Callable[[Sequence[Structure], Sequence[str] | None], Array]


def _kept(
    structures: Sequence[Structure],
    what: str,
    compute: Compute,
    folder: Path | None,
    names: Sequence[str] | None,
) -> Array:
    """(n, columns), computed where the store has none; written a pack at a time."""
    said = list(names) if names is not None else [f"structure {k}" for k in range(len(structures))]
    if folder is None:
        return compute(structures, said)
    store = GraphStore(Path(folder) / what)
    version = _VERSIONS[what].encode()
    keys = [
        hashlib.sha256(version + crystal_features.key_of(s).encode()).hexdigest()
        for s in structures
    ]
    known = {key: record["x"] for key in keys if (record := store.get(key)) is not None}
    missing = [k for k, key in enumerate(keys) if key not in known]
    for first in range(0, len(missing), _TO_A_PACK):
        part = missing[first : first + _TO_A_PACK]
        table = compute([structures[k] for k in part], [said[k] for k in part])
        made = {keys[k]: row for k, row in zip(part, table, strict=True)}
        store.add({key: {"x": row} for key, row in made.items()})
        known |= made  # not read back: the store may be deleted at any time
    return np.array([known[key] for key in keys], dtype=np.float64)
