"""Chemical formulas: amounts of elements, and one name for every composition."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache

from pymatgen.core import Composition, Element

MAX_CHARS = 200
"""A formula of a steel with twenty elements has some 180 characters; anything longer is no formula."""

_ALPHABET = re.compile(r"[A-Za-z0-9.()\[\]{}@ ]+")
_HYDRATE = re.compile(r"(?<![A-Za-z)\]}]0)\.\s*(\d*(?:\.\d+)?)\s*H2O\s*$")
"""`CuSO4.5H2O`, which a parser takes for 4.5 oxygens. (In `Li0.5H2O` the point is in an amount.)"""
_ROMAN = re.compile(r"\(\s*(?:I{1,3}|IV|VI{0,3})\s*\)")
"""`Fe(III)`, which a parser takes for iodine; (V) for vanadium."""
_LARGEST = 10_000
"""Formula units up to this many atoms are written in whole numbers. Above, rounded shares are."""


@lru_cache(maxsize=1 << 16)
def amounts(formula: str) -> tuple[tuple[int, float], ...]:
    """(atomic number, amount) of every element in the formula, by atomic number.

    Parsed by pymatgen; deuterium and tritium count as hydrogen, and of an element with amount 0
    nothing is said (`Fe0O2` is O2). Raises ValueError, naming the formula, for what is none: no element
    of the periodic table, no amount above zero, one that is negative or not finite, more than
    `MAX_CHARS` characters; and for what would be misread (see `misread`).
    """
    if len(formula) > MAX_CHARS:
        raise ValueError(
            f"{formula[:40]!r}… has {len(formula)} characters; {MAX_CHARS} are allowed"
        )
    if not _ALPHABET.fullmatch(formula):
        raise ValueError(f"{formula!r} is no formula")
    if why := misread(formula):
        raise ValueError(f"{formula!r}: {why}")
    try:
        found = Composition(formula)
        pairs: dict[int, float] = {}
        for element, amount in found.items():
            if not isinstance(element, Element):  # pymatgen's dummy species: 'X', 'Vac', 'Q'
                raise ValueError
            pairs[element.Z] = pairs.get(element.Z, 0.0) + float(amount)
    except Exception:  # the parser raises whatever the text makes it stumble over
        raise ValueError(f"{formula!r} is no formula") from None
    if not pairs or not math.isfinite(math.fsum(pairs.values())):
        raise ValueError(f"{formula!r} is no formula")
    return tuple(sorted(pairs.items()))


def misread(formula: str) -> str:
    """Why the parser would take it for another compound, and how to write it; empty if it would not."""
    hydrate, roman = _HYDRATE.search(formula), _ROMAN.search(formula)
    if hydrate is not None:
        mended = f"{formula[: hydrate.start()]}(H2O){hydrate[1]}"
        return f"a hydrate with a point: write {mended}"
    if roman is not None:
        return f"{roman[0]} would be an element, not a valence: write it without"
    return ""


def is_formula(text: str) -> bool:
    try:
        return bool(amounts(text))
    except ValueError:
        return False


def canonical(formula: str) -> str:
    """One text for every way to write the same amounts: `Al2O3`, `O3Al2`, `Al2.0 O3` -> `O3Al2`.

    Not reduced: `Al4O6` stays apart. Raises ValueError as `amounts` does.
    """
    return "".join(f"{symbol(z)}{_amount(amount)}" for z, amount in amounts(formula))


@lru_cache(maxsize=1 << 16)
def reduced_formula(formula: str) -> str:
    """One name for every formula of the same composition: `Fe4O6`, `(Fe0.4O0.6)10` -> `Fe2O3`.

    Elements stand by electronegativity, as chemists write them. Where no formula unit of at most
    10,000 atoms has whole numbers, the atomic fractions follow the symbols, to five places. Raises
    ValueError as `amounts` does.
    """
    pairs = sorted(amounts(formula), key=lambda pair: _place(pair[0]))
    counts = _whole([amount for _, amount in pairs])
    if counts is not None:
        return "".join(
            f"{symbol(z)}{count if count > 1 else ''}"
            for (z, _), count in zip(pairs, counts, strict=True)
        )
    total = math.fsum(amount for _, amount in pairs)
    return "".join(f"{symbol(z)}{amount / total:.5f}" for z, amount in pairs)


@cache
def symbol(z: int) -> str:
    return str(Element.from_Z(z).symbol)


@cache
def _place(z: int) -> tuple[float, str]:
    chi = Element.from_Z(z).data.get("X")
    return (math.inf if chi is None or math.isnan(chi) else float(chi)), symbol(z)


def _whole(parts: Sequence[float]) -> list[int] | None:
    """The smallest whole numbers in these ratios, if they add up to no more than `_LARGEST`."""
    if all(part.is_integer() for part in parts):  # the usual case, and much the faster
        numbers = [int(part) for part in parts]
        unit = math.gcd(*numbers)
        return [k // unit for k in numbers] if sum(numbers) <= unit * _LARGEST else None
    total = math.fsum(parts)
    shares = [Fraction(part / total).limit_denominator(_LARGEST) for part in parts]
    if any(
        abs(float(share) - part / total) > 1e-12 for share, part in zip(shares, parts, strict=True)
    ):
        return None
    unit = math.lcm(*(share.denominator for share in shares))
    if unit > _LARGEST or not all(shares):
        return None
    return [share.numerator * (unit // share.denominator) for share in shares]


def _amount(value: float) -> str:
    return "" if value == 1.0 else format(Decimal(f"{value:.12g}"), "f")  # never 6e-05
