"""Slips of units: numbers written with several units, and rows a unit's factor away from the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matscout.data.text_table import as_number

UNITS = frozenset((
    "eV", "meV", "keV", "J", "kJ", "cal", "kcal", "Ha", "Ry", "GPa", "MPa", "kPa", "hPa", "Pa",
    "bar", "mbar", "kbar", "atm", "Torr", "psi", "HV", "kgf", "N", "mN", "kN", "K", "°C", "C",
    "degC", "°F", "nm", "pm", "um", "µm", "μm", "mm", "cm", "m", "Å", "A", "mg", "ug", "µg", "g",
    "kg", "mol", "mmol", "M", "mM", "L", "mL", "uL", "V", "mV", "A", "mA", "S", "Hz", "kHz",
    "MHz", "GHz", "THz", "s", "ms", "ns", "ps", "min", "h", "hr", "d", "days", "%", "wt%", "at%",
    "mol%", "vol%", "ppm", "ppb", "rpm", "deg", "°", "W", "mW", "eV/atom", "meV/atom", "kJ/mol",
    "kcal/mol", "J/g", "J/mol", "S/cm", "mS/cm", "S/m", "g/cm3", "kg/m3", "cm-1", "cm^-1", "1/cm",
    "mAh/g", "mA/cm2", "V/s", "C/min", "K/min", "°C/min", "mol/L", "g/L", "mg/mL",
))  # fmt: skip
"""As they are written in tables. Letters that are none of these (2H, 4H, 3D) belong to a name."""

FACTORS: tuple[tuple[float, str], ...] = (
    *((10.0**power, f"10^{power}") for power in (3, 6, 2, 1, 9)),
    (96.4853, "eV to kJ/mol"),
    (27.2114, "Hartree to eV"),
    (23.0605, "eV to kcal/mol"),
    (13.6057, "Rydberg to eV"),
    (9.80665, "kgf to N"),
    (4.184, "calorie to joule"),
)
"""What numbers of one quantity differ by when a unit is mistaken, the likeliest first."""

_NUMBER_UNIT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*)")
_LEAST_ROWS = 12
_MOST_SHARE = 0.2
_ROOM = 0.1
"""Decades by which a row put right may still lie outside of the others."""

_SAME = 2e-4
"""How far a ratio may be from a conversion's factor, for numbers rounded to four digits. A power of ten
moves the point and no digit."""


@dataclass(frozen=True)
class Slip:
    """`rows` whose values are about `factor` times (or a `factor`th of) those of the others."""

    rows: tuple[int, ...]
    factor: float
    name: str
    above: bool


def number_and_unit(cell: str) -> tuple[float, str] | None:
    """`5 GPa` -> (5.0, "GPa"); None for a bare number, a word, and letters that are no unit."""
    match = _NUMBER_UNIT.fullmatch(cell)
    if match is None or match[2].strip() not in UNITS:
        return None
    number = as_number(match[1])
    return None if number is None else (number, match[2].strip())


def units_of(cells: Sequence[str]) -> dict[str, list[int]]:
    """The rows by unit, the commonest unit first; "" are bare numbers. Empty unless two cells have
    units, and most are numbers with or without one.
    """
    found: dict[str, list[int]] = {}
    for row, cell in enumerate(cells):
        pair = number_and_unit(cell)
        if pair is not None:
            found.setdefault(pair[1], []).append(row)
        elif as_number(cell) is not None:
            found.setdefault("", []).append(row)
    with_unit = sum(len(rows) for unit, rows in found.items() if unit)
    if with_unit < 2 and not (with_unit and "" in found):
        return {}
    if 2 * sum(map(len, found.values())) <= len([cell for cell in cells if cell]):
        return {}
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def slipped(values: np.ndarray) -> Slip | None:
    """The few rows that stand apart from the others in log |value|, by more than the others are wide,
    and among them once a unit's factor is taken out. `values` (n,), NaN where there is none.

    Nothing is found where there is no gap: conductivities that fill eight decades are no slip; nor
    where numbers are zero or below, for those near zero say nothing of a unit. At most a fifth of the
    rows can have slipped, and not to one and the same value: that is a default.
    """
    rows = np.flatnonzero(np.isfinite(values))
    if len(rows) < _LEAST_ROWS or values[rows].min() <= 0.0:
        return None
    size = np.log10(values[rows])
    order = np.argsort(size, kind="stable")
    rows, size = rows[order], size[order]
    gaps = np.diff(size)
    for cut in np.argsort(-gaps, kind="stable")[:2]:  # the widest may lie on either side
        low, high = slice(0, int(cut) + 1), slice(int(cut) + 1, None)
        for few, many, above in ((high, low, True), (low, high, False)):
            most = size[many]
            if len(size[few]) > _MOST_SHARE * len(size) or len(np.unique(most)) < _LEAST_ROWS // 2:
                continue
            same = len(size[few]) > 2 and len(np.unique(size[few])) == 1
            if same or gaps[cut] < max(0.5, float(np.ptp(most)) / 2):
                continue
            found = _factor(size[few], most, above)
            if found is not None:
                return Slip(tuple(np.sort(rows[few]).tolist()), *found, above)
    return None


def _factor(few: np.ndarray, most: np.ndarray, above: bool) -> tuple[float, str] | None:
    sign = -1.0 if above else 1.0
    low, high = most.min() - _ROOM, most.max() + _ROOM
    for factor, name in FACTORS:
        moved = few + sign * np.log10(factor)
        # A lone row is near some factor or other: of it only a power of ten is believed.
        told = name.startswith("10^") or len(few) > 1
        if told and (moved >= low).all() and (moved <= high).all():
            return factor, name
    return None


def exact_factor(one: float, other: float) -> str:
    """The name of the factor, above 4, that two measurements of one thing are apart by; "" if none."""
    if one == 0.0 or other == 0.0 or (one < 0) != (other < 0):
        return ""
    ratio = max(one / other, other / one)
    for factor, name in FACTORS:
        if abs(ratio / factor - 1.0) < (1e-9 if name.startswith("10^") else _SAME):
            return name
    return ""
