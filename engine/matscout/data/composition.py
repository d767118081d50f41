"""Statistics of the elements in a formula, for models that need numbers.

L. Ward, A. Agrawal, A. Choudhary, C. Wolverton, "A general-purpose machine learning framework for
predicting properties of inorganic materials", npj Comput. Mater. 2, 16028 (2016): stoichiometric
norms (their section on stoichiometric attributes) and, of each property p of the elements, weighted
by atomic fraction x_i, the mean Σ x_i p_i, the mean absolute deviation Σ x_i |p_i − mean|, minimum,
maximum and range. Their mode is left out: it jumps where two fractions change places.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element

from matscout.data.formula import amounts, symbol

Array = NDArray[np.float64]

NORMS = (0, 2, 3, 5, 7, 10)
STATISTICS = ("mean", "deviation", "minimum", "maximum", "range")
_ELEMENTS = 118
_BLOCK = 16_384
"""Formulas at a time: bounds the memory of what lies between."""


@cache
def valence_electrons(element: Element) -> Mapping[str, float]:
    """Electrons by subshell outside the noble gas before. Raises KeyError where pymatgen has none."""
    core = max((z for z in (0, 2, 10, 18, 36, 54, 86) if z < element.Z), default=0)
    closed = (
        {(n, kind) for n, kind, _ in Element.from_Z(core).full_electronic_structure}
        if core
        else set()
    )
    out = dict.fromkeys("spdf", 0.0)
    for n, kind, electrons in element.full_electronic_structure:
        if (n, kind) not in closed:
            out[kind] += electrons
    return out


def _plain(name: str) -> Callable[[Element], float]:
    return lambda element: float(getattr(element, name))


def _in_subshell(kind: str) -> Callable[[Element], float]:
    return lambda element: valence_electrons(element)[kind]


PROPERTIES: Mapping[str, Callable[[Element], float]] = {
    "atomic number": _plain("Z"),
    "atomic mass (u)": _plain("atomic_mass"),
    "electronegativity (Pauling)": _plain("X"),
    "atomic radius (angstrom)": _plain("atomic_radius"),
    "molar volume (cm3/mol)": _plain("molar_volume"),
    "group": _plain("group"),
    "row": _plain("row"),
    "Mendeleev number": _plain("mendeleev_no"),
    "melting point (K)": _plain("melting_point"),
    "ionisation energy (eV)": _plain("ionization_energy"),
    "electron affinity (eV)": _plain("electron_affinity"),
    "valence s electrons": _in_subshell("s"),
    "valence p electrons": _in_subshell("p"),
    "valence d electrons": _in_subshell("d"),
    "valence f electrons": _in_subshell("f"),
    "valence electrons": lambda element: math.fsum(valence_electrons(element).values()),
}
"""Valence electrons are those outside the core of the noble gas before, filled d and f shells
included (as in Ward's tables)."""


def composition_features(formulas: Sequence[str]) -> tuple[list[str], Array]:
    """Names (p,) and values (n, p) of the statistics above, each in its property's unit.

    A formula and its multiples have equal features. Raises ValueError, naming it, for a formula that
    does not parse.
    """
    names = [f"{p}-norm of the fractions" for p in NORMS]
    names += [f"{statistic} {name}" for name in PROPERTIES for statistic in STATISTICS]
    values = np.empty((len(formulas), len(names)))
    for first in range(0, len(formulas), _BLOCK):
        block = Fractions.of(formulas[first : first + _BLOCK])
        of_elements = statistics(block, element_table())
        values[first : first + _BLOCK] = np.hstack([_norms(block), of_elements])
    return names, values


def element_fractions(formulas: Sequence[str]) -> tuple[list[str], Array]:
    """Symbols (e,) of the elements that occur, by atomic number, and atomic fractions (n, e).

    Raises ValueError, naming it, for a formula that does not parse.
    """
    if not formulas:
        return [], np.zeros((0, 0))
    found = Fractions.of(formulas)
    numbers, column = np.unique(found.z, return_inverse=True)
    values = np.zeros((len(formulas), len(numbers)))
    values[found.row, column] = found.fraction
    return [symbol(int(z)) for z in numbers], values


@dataclass(frozen=True)
class Fractions:
    """The elements of `n` formulas one after another, k in all: each row number, atomic number and
    fraction, (k,); `start` (n,) is where a formula begins.
    """

    row: NDArray[np.int64]
    z: NDArray[np.int64]
    fraction: Array
    start: NDArray[np.int64]

    @classmethod
    def of(cls, formulas: Sequence[str]) -> Fractions:
        parsed = [amounts(formula) for formula in formulas]
        counts = np.array([len(pairs) for pairs in parsed])
        z = np.array([z for pairs in parsed for z, _ in pairs])
        amount = np.array([amount for pairs in parsed for _, amount in pairs])
        row = np.repeat(np.arange(len(formulas)), counts)
        start = np.cumsum(counts) - counts
        return cls(row, z, amount / np.add.reduceat(amount, start)[row], start)


def _norms(found: Fractions) -> Array:
    """(n, norms): the number of elements for p = 0, else (Σ x_i^p)^(1/p)."""
    columns = [
        np.add.reduceat(found.fraction**p, found.start) ** (1.0 / p if p else 1.0) for p in NORMS
    ]
    return np.stack(columns, axis=1)


def statistics(found: Fractions, table: Array) -> Array:
    """(n, properties * statistics), the statistics of one property side by side; `table` (119,
    properties) has those of element Z in row Z."""
    p, x = table[found.z], found.fraction[:, None]
    low = np.minimum.reduceat(p, found.start, axis=0)
    high = np.maximum.reduceat(p, found.start, axis=0)
    # Clipped: where all elements share a value, rounding would make a spread of noise.
    mean = np.clip(np.add.reduceat(x * p, found.start, axis=0), low, high)
    deviation = np.add.reduceat(x * np.abs(p - mean[found.row]), found.start, axis=0)
    stacked = np.stack([mean, deviation, low, high, high - low], axis=2)
    return np.asarray(stacked.reshape(len(found.start), -1))


@cache
def element_table() -> Array:
    """(119, properties): `property_table` of PROPERTIES."""
    return property_table(PROPERTIES)


def property_table(properties: Mapping[str, Callable[[Element], float]]) -> Array:
    """(119, properties), read-only: row Z holds the properties of element Z; row 0 is empty (zeros).

    What pymatgen has no value for is the mean over the elements of the same group that have one
    (lanthanides and actinides belong to group 3), or over all where the group has none.
    """
    elements = [Element.from_Z(z) for z in range(1, _ELEMENTS + 1)]
    group = np.array([element.group for element in elements])
    table = np.zeros((_ELEMENTS + 1, len(properties)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymatgen warns of every value that it has not
        for column, of in enumerate(properties.values()):
            values = np.array([_or_nan(of, element) for element in elements])
            known = np.isfinite(values)
            for place in np.flatnonzero(~known):
                kin = known & (group == group[place])
                values[place] = values[kin if kin.any() else known].mean()
            table[1:, column] = values
    table.flags.writeable = False
    return table


def _or_nan(of: Callable[[Element], float], element: Element) -> float:
    try:
        return of(element)
    except (LookupError, TypeError, ValueError, AttributeError):
        return math.nan
