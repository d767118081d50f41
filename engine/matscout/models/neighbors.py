"""Who is near whom in a crystal, periodic images included, and a cache of the answer on disk."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

TIE_ANGSTROM = 1e-3
"""Distances nearer to each other than this are one shell. Relaxed and published coordinates carry
five digits or so, so that neighbours which symmetry makes equal differ by some 1e-5 angstrom."""

_FORMAT = b"matscout neighbours 1"


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


def cached_neighbors(
    structure: Structure, cutoff_angstrom: float, folder: Path | None
) -> Neighbors:
    """`find_neighbors`, remembered in `folder` under a hash of the crystal and the cut-off.

    A cache file that is torn or altered is found out by its own hash, and written anew.
    """
    if folder is None:
        return find_neighbors(structure, cutoff_angstrom)
    key = structure_key(structure, cutoff_angstrom)
    path = folder / key[:2] / f"{key}.safetensors"
    known = _read(path, key)
    if known is None:
        known = find_neighbors(structure, cutoff_angstrom)
        _write(path, key, known)
    return known


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


def _sum(arrays: dict[str, np.ndarray], key: str) -> str:
    digest = hashlib.sha256(key.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _read(path: Path, key: str) -> Neighbors | None:
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            said = (file.metadata() or {}).get("sha256")
        return Neighbors(**arrays) if said == _sum(arrays, key) else None
    except (OSError, SafetensorError, TypeError, ValueError):
        return None


def _write(path: Path, key: str, found: Neighbors) -> None:
    arrays = _arrays(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.{os.getpid()}.{threading.get_ident()}")
    draft.write_bytes(save(arrays, metadata={"sha256": _sum(arrays, key)}))
    os.replace(draft, path)


def _take(found: Neighbors, keep: np.ndarray) -> Neighbors:
    return Neighbors(**{name: array[keep] for name, array in _arrays(found).items()})
