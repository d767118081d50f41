"""New crystals out of old ones: the AFLOW prototypes that pymatgen ships, with other elements in.

The prototypes are those of Mehl et al., Comput. Mater. Sci. 136, S1 (2017). The cell is scaled
until the closest cation and anion just touch, by the mean ionic radii that pymatgen tabulates
(Shannon's).
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pymatgen.analysis.prototypes as _shipped
from pymatgen.core import Element, Lattice, Structure

from matscout.data.structures import structure_from_dict
from matscout.errors import InputError

CATIONS = (
    "Li", "Na", "K", "Rb", "Cs", "Be", "Mg", "Ca", "Sr", "Ba", "Sc", "Y", "La", "Ti", "Zr", "Hf",
    "V", "Nb", "Ta", "Cr", "Mo", "W", "Mn", "Fe", "Co", "Ni", "Cu", "Ag", "Zn", "Al", "Ga", "In",
    "Si", "Ge", "Sn", "Sb", "Bi",
)  # fmt: skip
ANIONS = {
    "N": -3, "P": -3, "O": -2, "S": -2, "Se": -2, "Te": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1,
}  # fmt: skip
PATIENCE = 3000  # draws in a row that bring nothing new; one in ten does where much is left
_SEARCH_ANGSTROM = 6.0  # every atom of a prototype has its nearest neighbours well inside


@dataclass(frozen=True)
class Substituted:
    """A prototype with other elements in. `id` is the same for the same crystal, in any list."""

    id: str
    prototype: str
    structure: Structure


@lru_cache(maxsize=1)
def aflow_prototypes() -> tuple[tuple[str, Structure], ...]:
    """Label and structure of each prototype, as pymatgen ships them (in a private file).

    A label is AFLOW's; where several prototypes share one, the later ones end in -2, -3, …
    """
    path = Path(_shipped.__file__).parent / "aflow_prototypes.json.gz"
    if not path.is_file():
        raise InputError("prototypes", "this pymatgen ships no AFLOW prototypes", "pin pymatgen")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        raw = json.load(file)
    found = []
    seen: Counter[str] = Counter()
    for entry in raw:
        label = entry["tags"]["aflow"]
        seen[label] += 1
        if seen[label] > 1:
            label = f"{label}-{seen[label]}"
        try:
            found.append((label, structure_from_dict(entry["snl"], label)))
        except InputError:  # one entry has no site, and some are disordered
            continue
    return tuple(sorted(found, key=lambda pair: pair[0]))


def substituted(
    n: int,
    seed: int,
    *,
    max_sites: int = 10,
    cations: Sequence[str] = CATIONS,
    anions: Sequence[str] = tuple(ANIONS),
) -> list[Substituted]:
    """`n` different binary and ternary crystals whose common oxidation states sum to zero.

    The most electronegative element of a prototype becomes one of `anions`, the others different
    `cations`. Drawn from `seed` alone. Raises InputError if so few exist that draws run dry.
    """
    hosts = [(label, s) for label, s in aflow_prototypes() if _usable(s, max_sites)]
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x41464C4F]))
    found: dict[str, Substituted] = {}
    fruitless = 0
    while len(found) < n:
        if fruitless == PATIENCE:
            raise InputError(
                "prototypes", f"only {len(found)} of {n} structures found", "ask for fewer"
            )
        label, host = hosts[rng.integers(len(hosts))]
        swap = _drawn_swap(host, rng, cations, anions)
        new = None if swap is None else _swapped(label, host, swap)
        fruitless = 0 if new is not None and new.id not in found else fruitless + 1
        if new is not None:
            found.setdefault(new.id, new)
    return list(found.values())


def charge_balanced(amounts: Sequence[tuple[str, float]], anion: str) -> bool:
    """Whether common oxidation states of the others, one per element, balance the `anion`."""
    negative = sum(ANIONS[e] * amount for e, amount in amounts if e == anion)
    others = [(e, amount) for e, amount in amounts if e != anion]
    choices = [[q for q in Element(e).common_oxidation_states if q > 0] for e, _ in others]
    return any(
        abs(sum(q * a for q, (_, a) in zip(charges, others, strict=True)) + negative) < 1e-6
        for charges in itertools.product(*choices)
    )


def _usable(structure: Structure, max_sites: int) -> bool:
    return len(structure) <= max_sites and 2 <= len(structure.composition) <= 3


def _drawn_swap(
    host: Structure, rng: np.random.Generator, cations: Sequence[str], anions: Sequence[str]
) -> dict[str, str] | None:
    # Electronegativity is undefined for some noble gases; pymatgen says NaN, which sorts nowhere.
    parts = sorted(host.composition.elements, key=lambda e: (np.nan_to_num(e.X), e.symbol))
    anion = str(rng.choice(list(anions)))
    drawn = rng.choice(list(cations), size=len(parts) - 1, replace=False)
    names = [*map(str, drawn), anion]
    amounts = [(new, host.composition[old]) for old, new in zip(parts, names, strict=True)]
    if len(set(names)) < len(names) or not charge_balanced(amounts, anion):
        return None
    return {old.symbol: new for old, new in zip(parts, names, strict=True)}


def _swapped(label: str, host: Structure, swap: dict[str, str]) -> Substituted | None:
    symbols = [swap[site.specie.symbol] for site in host]
    stretch = _touching(host, symbols)
    if stretch is None:
        return None
    order = sorted(range(len(host)), key=lambda k: (Element(symbols[k]).X, symbols[k]))
    new = Structure(
        Lattice(host.lattice.matrix * stretch),
        [symbols[k] for k in order],
        host.frac_coords[order],
    )
    # By site, not by formula: ABC2 with A and B exchanged is another crystal of the same formula.
    name = ".".join((label, *(swap[old] for old in sorted(swap)))).lower()
    return Substituted(name, label, new)


def _touching(host: Structure, symbols: Sequence[str]) -> float | None:
    """The factor on all lengths at which the closest cation and anion touch.

    None where like ions would then overlap by a fifth: such hosts hold pairs (pyrite's S2) that
    the substitution does not mean to make. None, too, where the ions would fill less than three
    tenths of the cell (rock salt: a half to eight tenths): one pair then holds all others apart.
    """
    radius = np.array([_radius(symbol) for symbol in symbols])
    negative = np.array([symbol in ANIONS for symbol in symbols])
    centre, neighbour, _, distance = host.get_neighbor_list(_SEARCH_ANGSTROM)
    contact = (radius[centre] + radius[neighbour]) / distance
    unlike = negative[centre] != negative[neighbour]
    if not unlike.any() or not np.isfinite(contact).all():
        return None
    stretch = float(contact[unlike].max())
    filled = float((4 / 3 * np.pi * radius**3).sum() / (host.volume * stretch**3))
    return stretch if (contact[~unlike] < 1.2 * stretch).all() and filled > 0.3 else None


def _radius(symbol: str) -> float:
    """Mean ionic radius in angstrom; NaN where none is tabulated."""
    element = Element(symbol)
    radius = element.average_anionic_radius if symbol in ANIONS else element.average_cationic_radius
    return float(radius) or np.nan
