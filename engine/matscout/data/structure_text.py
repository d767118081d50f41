"""One crystal from the text of a CIF, POSCAR or pymatgen JSON file, and what makes it one.

Structures are rebuilt from plain numbers. pymatgen's own `from_dict` also decodes site properties,
and that imports whatever module the file names.
"""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from matscout.errors import InputError

MAX_STRUCTURE_BYTES = 10 * 2**20
MAX_SITES = 5_000
_CIF_LINE = 2048
"""Characters, by the specification of CIF 1.1 (International Tables for Crystallography, volume G)."""


def structure_to_dict(structure: Structure) -> dict[str, Any]:
    """The part of pymatgen's dictionary that makes an ordered crystal; pymatgen reads it too."""
    return {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "lattice": {"matrix": structure.lattice.matrix.tolist()},
        "sites": [
            {
                "species": [{"element": site.specie.symbol, "occu": 1}],
                "abc": site.frac_coords.tolist(),
                "xyz": site.coords.tolist(),
            }
            for site in structure
        ],
    }


def structure_from_dict(raw: Any, where: str = "structure") -> Structure:
    """An ordered crystal from pymatgen's dictionary: lattice matrix, elements, fractional sites.

    Oxidation states, properties and labels are left behind. Raises InputError.
    """
    try:
        matrix = np.array(raw["lattice"]["matrix"], dtype=float)
        sites = raw["sites"]
        if not isinstance(sites, list) or not 1 <= len(sites) <= MAX_SITES:
            raise InputError(
                where, f"a crystal has 1 to {MAX_SITES:,} sites", "take a smaller cell"
            )
        symbols = [_symbol(site["species"], f"{where}: site {k}") for k, site in enumerate(sites)]
        coords = np.array([site["abc"] for site in sites], dtype=float)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(where, f"not a pymatgen structure ({error!r:.80})") from None
    if matrix.shape != (3, 3) or coords.shape != (len(sites), 3):
        raise InputError(where, "lattice must be 3x3 numbers and each site three")
    return checked(Structure(Lattice(matrix), symbols, coords), where)


def checked(structure: Structure, where: str) -> Structure:
    """`structure`, if a neighbour search in it ends: finite, ordered, with a cell of sane size."""
    if not 1 <= len(structure) <= MAX_SITES:
        raise InputError(where, f"{len(structure)} sites; 1 to {MAX_SITES:,} are allowed")
    if not structure.is_ordered:
        raise InputError(
            where, f"{structure.formula} has partly occupied sites", "use an ordered approximant"
        )
    matrix = structure.lattice.matrix
    if not (np.isfinite(matrix).all() and np.isfinite(structure.frac_coords).all()):
        raise InputError(where, "a lattice or a coordinate is not finite")
    for site in structure:
        if not Element.is_valid_symbol(site.specie.symbol):
            raise InputError(where, f"no element is called {site.specie.symbol!r:.20}")
    volume = abs(float(np.linalg.det(matrix)))
    # Half an angstrom cubed an atom is denser than anything under pressure; a cell flatter than
    # half an angstrom would make the neighbour search walk through millions of images.
    dense = volume < 0.5 * len(structure)
    if dense or (1 / np.linalg.norm(np.linalg.inv(matrix), axis=0)).min() < 0.5:
        raise InputError(where, f"a cell of {volume:.3g} cubic angstrom for {len(structure)} atoms")
    return structure


def parsed_structure(kind: str, text: str, where: str) -> Structure:
    """The ordered crystal in the text of a file of that kind: cif, poscar or json. Raises InputError.

    For foreign text this runs in a process of its own (`structure_child`).
    """
    if kind == "json":
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(where, f"not JSON ({error!s:.80})") from None
        return structure_from_dict(raw, where)
    if kind == "poscar":
        _check_poscar(text, where)
    else:
        _check_cif(text, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structure = Structure.from_str(text, fmt=kind)
            structure.remove_oxidation_states()
    except MemoryError:
        raise
    except Exception as error:  # the parsers raise whatever the text makes them stumble over
        raise InputError(where, f"not a structure ({error!s:.80})") from None
    return checked(structure, where)


def _symbol(species: Any, where: str) -> str:
    if len(species) != 1 or abs(float(species[0].get("occu", 1)) - 1.0) > 1e-6:
        raise InputError(where, "partly occupied", "use an ordered approximant")
    symbol = species[0]["element"]
    if not Element.is_valid_symbol(symbol):
        raise InputError(where, f"no element is called {symbol!r:.20}")
    return str(Element(symbol).symbol)


def _check_cif(text: str, where: str) -> None:
    """pymatgen's time for a line of quotes grows with the square of its length: 20,000 take 10 s."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _CIF_LINE:
            what = f"line {number} has {len(line):,} characters, of {_CIF_LINE:,} that CIF allows"
            raise InputError(where, what, "break it")


def _check_poscar(text: str, where: str) -> None:
    """Elements named, and as many sites as are allowed, before the parser makes a list of them."""
    lines = [line.split() for line in io.StringIO(text)]
    if len(lines) < 8:
        raise InputError(where, "not a POSCAR file: fewer than eight lines")
    if not lines[5] or not lines[5][0][:1].isalpha():
        raise InputError(where, "line 6 names no elements", "write them above the counts")
    counts = [int(word) for word in lines[6] if word.isdecimal() and len(word) < 10]
    if not counts or len(counts) < len(lines[6]) or not 1 <= sum(counts) <= MAX_SITES:
        raise InputError(where, f"line 7 must count 1 to {MAX_SITES:,} sites")
