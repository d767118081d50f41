"""The process that reads foreign structures: `python -m matscout.data.structure_child`."""

from __future__ import annotations

from typing import Any

from matscout.data.bounded_child import Refused, serve
from matscout.data.structure_text import parsed_structure
from matscout.errors import InputError


def answer(request: Any) -> Any:
    """Plain numbers: lattice vectors (3, 3) in angstrom, atomic numbers (sites,), fractional
    coordinates (sites, 3).
    """
    kind, text = request
    try:
        structure = parsed_structure(kind, text, "it")
    except InputError as error:
        where = "" if error.where == "it" else f"{error.where.removeprefix('it: ')}: "
        return Refused(where + error.what, error.mend or "")
    return {
        "lattice": structure.lattice.matrix.tolist(),
        "numbers": [site.specie.Z for site in structure],
        "coords": structure.frac_coords.tolist(),
    }


if __name__ == "__main__":
    serve(answer)
