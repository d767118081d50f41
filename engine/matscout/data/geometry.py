"""How the atoms of a crystal are arranged, in ten numbers that any way of writing it down shares.

For models that know the composition already: distances, crowding and directions. Neighbours are
those within 1.25 times the distance of an atom's nearest; weights are equal for all atoms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from matscout.errors import InputError

NAMES = (
    "volume per atom (A3)",
    "density (g/cm3)",
    "packing of atomic spheres",
    "shortest bond (A)",
    "mean nearest distance (A)",
    "spread of nearest distances (A)",
    "mean coordination",
    "spread of coordination",
    "shortest bond over radii",
    "isotropy of bonds",
)
_SHELL = 1.25
_REACH_A = (5.0, 10.0, 20.0)  # tried in turn until every atom has a neighbour


def geometry_features(
    structures: Sequence[Structure], names: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """(n, 10) in the units of NAMES. The same for a supercell, a rotation, a shift of the origin and
    another order of sites. `names` (n,) say in an error which structure it is about.

    Packing is the sum of the volumes of spheres of pymatgen's atomic radii over that of the cell;
    the shortest bond over the sum of the two radii is the least such ratio among bonds; isotropy is
    the smallest over the largest eigenvalue of the mean of b b' over bonds of unit direction b (1
    for cubic surroundings, 0 where all bonds lie in a plane). Raises InputError for an atom that has
    no other within 16 angstrom.
    """
    rows = [
        _row(structure, names[k] if names else f"structure {k}")
        for k, structure in enumerate(structures)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, len(NAMES))


def _row(structure: Structure, name: str) -> list[float]:
    sites = len(structure)
    centre, neighbour, image, distance = _bonds(structure, name)
    nearest = np.full(sites, np.inf)
    np.minimum.at(nearest, centre, distance)
    # A relative hair above the shell, or rounding would cut through atoms that symmetry makes equal.
    near = distance <= _SHELL * nearest[centre] * (1.0 + 1e-6)
    count = np.bincount(centre[near], minlength=sites)
    radius = np.array([_radius(site.specie) for site in structure])
    lengths = distance[near] / (radius[centre[near]] + radius[neighbour[near]])
    steps = (
        structure.frac_coords[neighbour[near]] + image[near] - structure.frac_coords[centre[near]]
    )
    direction = steps @ structure.lattice.matrix / distance[near][:, None]
    # Each atom counts alike, however many neighbours it has.
    share = (1.0 / count[centre[near]])[:, None, None]
    spread = np.linalg.eigvalsh((share * direction[:, :, None] * direction[:, None, :]).sum(0))
    return [
        structure.volume / sites,
        float(structure.density),
        float((4 / 3 * math.pi * radius**3).sum() / structure.volume),
        float(nearest.min()),
        float(nearest.mean()),
        float(nearest.std()),
        float(count.mean()),
        float(count.std()),
        float(lengths.min()),
        float(max(spread[0], 0.0) / spread[2]),
    ]


def _bonds(structure: Structure, name: str) -> tuple[np.ndarray, ...]:
    """Centre, neighbour, image and distance (A) of pairs, each from either end."""
    for reach in _REACH_A:
        found = structure.get_neighbor_list(reach)
        if len(np.unique(found[0])) == len(structure):
            nearest = np.full(len(structure), np.inf)
            np.minimum.at(nearest, found[0], found[3])
            if _SHELL * nearest.max() * (1.0 + 1e-6) <= reach:
                return found
    raise InputError(name, "an atom has no other within 16 angstrom", "leave the structure out")


def _radius(element: object) -> float:
    """Atomic radius in angstrom (Slater's), the calculated one where there is none, else 1.5."""
    for kind in ("atomic_radius", "atomic_radius_calculated"):
        value = getattr(element, kind, None)
        if value is not None and math.isfinite(float(value)):
            return float(value)
    return 1.5
