"""Ionic radii after Shannon (1976), in angstrom, with the one that halide chemistry misses added."""

from __future__ import annotations

from pymatgen.core import Element

# Neither Shannon's table of 1976 nor pymatgen has a six-fold Sn2+, so that CsSnX3 would drop out of
# every pool. 1.18 is the value in use for tin perovskites: just below the 1.19 of Pb2+, as their
# isostructural compounds have it (cubic CsSnBr3 5.80 angstrom, CsPbBr3 5.87).
_ADDED = {("Sn", 2, "VI"): 1.18}


def ionic_radius(element: str, charge: int, coordination: str) -> float | None:
    """The effective ionic radius (not the crystal radius, 0.14 larger), or None if not tabulated.

    `coordination` is roman, as in Shannon, Acta Cryst. A32, 751 (1976). Where the radius depends on
    spin it is the high-spin one: the halides are weak-field ligands.
    """
    added = _ADDED.get((element, charge, coordination))
    if added is not None:
        return added
    if not Element.is_valid_symbol(element):
        return None
    table = Element(element).data.get("Shannon radii") or {}
    by_spin = table.get(str(charge), {}).get(coordination)
    if not by_spin:
        return None
    entry = by_spin.get("High Spin") or next(iter(by_spin.values()))
    return float(entry["ionic_radius"])
