"""Crystals of the halides: cubic ABX3, and the phases of AX and BX2 that it could fall apart into.

Prototypes are written as space group, conventional cell and Wyckoff sites; axes are in angstrom for
the name-giving compound, and only their ratios matter, because every user rescales the volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from pymatgen.core import Lattice, Structure

Site = tuple[str, float, float, float]  # role (M or X), fractional coordinates


@dataclass(frozen=True, slots=True)
class Prototype:
    """A structure type: `M` is the cation, `X` the halide."""

    name: str
    space_group: str
    axes_A: tuple[float, float, float]
    sites: tuple[Site, ...]
    gamma_deg: float = 90.0

    def crystal(self, cation: str, halide: str, volume_per_atom_A3: float) -> Structure:
        """The primitive cell with these elements, scaled to the given volume (A^3/atom)."""
        cell = _primitive(self)
        elements = [cation if site.specie.symbol == _CATION else halide for site in cell]
        crystal = Structure(cell.lattice, elements, cell.frac_coords)
        crystal.scale_lattice(volume_per_atom_A3 * len(crystal))
        return crystal


_CATION, _HALIDE = "Na", "Cl"


@cache
def _primitive(prototype: Prototype) -> Structure:
    """With sodium chloride in it. Kept, since pymatgen takes half a second for a space group."""
    species = [_CATION if role == "M" else _HALIDE for role, *_ in prototype.sites]
    lattice = Lattice.from_parameters(*prototype.axes_A, 90.0, 90.0, prototype.gamma_deg)
    coords = [list(xyz) for _, *xyz in prototype.sites]
    full = Structure.from_spacegroup(prototype.space_group, lattice, species, coords)
    return full.get_primitive_structure()


AX_PROTOTYPES = (
    Prototype("rocksalt", "Fm-3m", (5.64, 5.64, 5.64), (("M", 0, 0, 0), ("X", 0.5, 0.5, 0.5))),
    Prototype(
        "caesium chloride", "Pm-3m", (4.12, 4.12, 4.12), (("M", 0, 0, 0), ("X", 0.5, 0.5, 0.5))
    ),
    Prototype("zincblende", "F-43m", (6.47, 6.47, 6.47), (("M", 0, 0, 0), ("X", 0.25, 0.25, 0.25))),
)
"""What alkali, silver and thallium halides crystallise in (AgI: zincblende beside wurtzite)."""

BX2_PROTOTYPES = (
    Prototype("fluorite", "Fm-3m", (5.46, 5.46, 5.46), (("M", 0, 0, 0), ("X", 0.25, 0.25, 0.25))),
    Prototype("rutile", "P4_2/mnm", (4.59, 4.59, 2.96), (("M", 0, 0, 0), ("X", 0.305, 0.305, 0))),
    Prototype(
        "cotunnite",
        "Pnma",
        (7.62, 4.53, 9.05),
        (("M", 0.238, 0.25, 0.096), ("X", 0.125, 0.25, 0.422), ("X", 0.020, 0.25, 0.837)),
    ),
    Prototype(
        "cadmium iodide",
        "P-3m1",
        (4.24, 4.24, 6.84),
        (("M", 0, 0, 0), ("X", 1 / 3, 2 / 3, 0.249)),
        gamma_deg=120.0,
    ),
    Prototype(
        "cadmium chloride",
        "R-3m",
        (3.85, 3.85, 17.46),
        (("M", 0, 0, 0), ("X", 0, 0, 0.252)),
        gamma_deg=120.0,
    ),
    Prototype(
        "zinc chloride", "I-42d", (5.40, 5.40, 10.33), (("M", 0, 0, 0), ("X", 0.30, 0.25, 0.125))
    ),
    Prototype(
        "mercury iodide",
        "P4_2/nmc",
        (4.37, 4.37, 12.44),
        (("M", 0, 0, 0), ("X", 0, 0.5, 0.139)),
    ),
    Prototype(
        "mercury bromide",
        "Cmc2_1",
        (4.62, 6.80, 12.45),
        (("M", 0, 0.395, 0.134), ("X", 0, 0.061, 0.366), ("X", 0, 0.333, 0.5)),
    ),
)
"""Layers, chains and frameworks with cations in four- to nine-fold coordination."""


def cubic_perovskite(a: str, b: str, x: str, lattice_constant_A: float) -> Structure:
    """ABX3 in Pm-3m: A on the corners, B in the centre of the octahedron, five atoms."""
    return Structure(
        Lattice.cubic(lattice_constant_A),
        [a, b, x, x, x],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )


def perturbed(
    crystal: Structure, seed: int, *, shift_A: float = 0.1, strain: float = 0.01
) -> Structure:
    """Every atom moved and the cell strained by seeded normal noise, so that a relaxation can leave
    a symmetric saddle point."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(crystal)]))
    noise = rng.normal(0.0, strain, (3, 3))
    lattice = crystal.lattice.matrix @ (np.eye(3) + (noise + noise.T) / 2)
    moved = crystal.frac_coords @ lattice + rng.normal(0.0, shift_A / np.sqrt(3), (len(crystal), 3))
    return Structure(lattice, crystal.species, moved, coords_are_cartesian=True)


def to_plain(crystal: Structure) -> dict[str, list]:
    """A crystal as JSON: species, lattice rows (A) and fractional coordinates, to 1e-6."""
    return {
        "species": [site.specie.symbol for site in crystal],
        "lattice": np.round(crystal.lattice.matrix, 6).tolist(),
        "coords": np.round(crystal.frac_coords % 1.0, 6).tolist(),
    }


def from_plain(plain: Mapping[str, list]) -> Structure:
    """The crystal that `to_plain` wrote; ValueError or KeyError if it is anything else."""
    return Structure(plain["lattice"], plain["species"], plain["coords"])
