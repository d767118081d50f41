"""Who is near whom in a crystal, periodic images included, and a cache of the answer on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from matscout.data.graphs import GraphStore

TIE_ANGSTROM = 1e-3
"""Distances nearer to each other than this are one shell. Relaxed and published coordinates carry
five digits or so, so that neighbours which symmetry makes equal differ by some 1e-5 angstrom."""

_FORMAT = b"matscout neighbours 1"
_TO_A_PACK = 2048


@dataclass(frozen=True)
class Neighbors:
    """Directed bonds of a crystal of n atoms, each bond once from either end: (E,) arrays.

    Sorted by centre, then distance. `image` (E, 3) is the cell that the neighbour sits in.
    """

    center: np.ndarray
    neighbor: np.ndarray
    image: np.ndarray
    distance: np.ndarray

    def __len__(self) -> int:
        return len(self.center)


def find_neighbors(structure: Structure, cutoff_angstrom: float) -> Neighbors:
    """All pairs within the cut-off, by pymatgen."""
    center, neighbor, image, distance = structure.get_neighbor_list(cutoff_angstrom)
    image = np.asarray(image).round().astype(np.int32).reshape(-1, 3)
    order = np.lexsort((*image.T[::-1], neighbor, distance, center))
    return Neighbors(
        np.asarray(center, dtype=np.int64)[order],
        np.asarray(neighbor, dtype=np.int64)[order],
        image[order],
        np.asarray(distance, dtype=np.float64)[order],
    )


def nearest(found: Neighbors, count: int, tie_angstrom: float = TIE_ANGSTROM) -> Neighbors:
    """The `count` nearest of each atom, and those as far away as the last of them.

    Cutting through a shell would keep whichever atoms happen to come first in the file, and the
    same crystal written differently would become another graph.
    """
    if not len(found):
        return found
    start = np.searchsorted(found.center, found.center)  # first bond of the same centre
    rank = np.arange(len(found)) - start
    ends = np.searchsorted(found.center, found.center, side="right")
    last = np.minimum(start + count, ends) - 1  # the bond that fills the quota
    return _take(found, (rank < count) | (found.distance <= found.distance[last] + tie_angstrom))


def all_neighbors(
    structures: Sequence[Structure], cutoff_angstrom: float, folder: Path | None = None
) -> list[Neighbors]:
    """`find_neighbors` of each, remembered in a store in `folder` (data/graphs.py), if given, under a
    hash of the crystal and the cut-off. What the store has lost or finds damaged is made again.
    """
    if folder is None:
        return [find_neighbors(structure, cutoff_angstrom) for structure in structures]
    store = GraphStore(folder)
    keys = [structure_key(structure, cutoff_angstrom) for structure in structures]
    new: dict[str, Neighbors] = {}
    made: dict[str, Neighbors] = {}
    for key, structure in zip(keys, structures, strict=True):
        if store.get(key) is None and key not in made:
            new[key] = made[key] = find_neighbors(structure, cutoff_angstrom)
        if len(new) == _TO_A_PACK:  # a long run that is killed has most of its work on disk
            store.add({name: _arrays(found) for name, found in new.items()})
            new = {}
    store.add({name: _arrays(found) for name, found in new.items()})
    return [made[key] if key in made else _known(store, key) for key in keys]


def _known(store: GraphStore, key: str) -> Neighbors:
    found = store.get(key)
    assert found is not None
    return Neighbors(**found)


def structure_key(structure: Structure, cutoff_angstrom: float) -> str:
    """SHA-256 of lattice, species, coordinates (as their 64-bit patterns) and the cut-off."""
    digest = hashlib.sha256(_FORMAT)
    digest.update(np.ascontiguousarray(structure.lattice.matrix, dtype="<f8").tobytes())
    digest.update(np.array([site.specie.Z for site in structure], dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(structure.frac_coords, dtype="<f8").tobytes())
    digest.update(np.float64(cutoff_angstrom).astype("<f8").tobytes())
    return digest.hexdigest()


def _arrays(found: Neighbors) -> dict[str, np.ndarray]:
    return {name: getattr(found, name) for name in ("center", "neighbor", "image", "distance")}


def _take(found: Neighbors, keep: np.ndarray) -> Neighbors:
    return Neighbors(**{name: array[keep] for name, array in _arrays(found).items()})
