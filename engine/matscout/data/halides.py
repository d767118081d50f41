"""The pool of the main job: charge-neutral cubic halide perovskites ABX3 that could be built.

A is 1+, B is 2+, X a halide; radii are Shannon's. Everything a row holds is known before any
experiment: names, radii, geometry and tabulated properties of the elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import sqrt

from pymatgen.core import Element

from matscout.data.shannon import ionic_radius
from matscout.errors import InputError
from matscout.pool import Pool

HALIDES = ("F", "Cl", "Br", "I")
TOXIC = frozenset({"Pb", "Cd", "Hg", "Tl"})

# Li et al., Acta Cryst. B64, 702 (2008) find perovskites at 0.81 <= t <= 1.11 and
# 0.44 <= mu <= 0.90. The window here is wider, because compounds that are made as perovskites lie
# outside theirs: CsGeI3 (mu 0.33), KMgCl3 (0.40), CsBaF3 (1.02), NaCaI3 and KBaF3 (t 0.78).
TOLERANCE = (0.78, 1.11)
OCTAHEDRAL = (0.33, 1.02)

# Np and No are no materials. Dy and Tm are left out because the calculations that CHGNet learnt from
# freeze their 4f shell as that of the 3+ ion: AgTmF3 would be "stable" by 367 meV/atom.
_LEFT_OUT = frozenset({"Np", "No", "Dy", "Tm"})

# These cations oxidise these halides (Ag2+/Ag+ 1.98 V, Cl2 1.36 V; Cu2+/CuI 0.86 V, I2 0.54 V):
# there is no BX2 to fall apart into, and an enthalpy against a fictitious one means nothing.
_NO_DIHALIDE = frozenset({("Ag", "Cl"), ("Ag", "Br"), ("Ag", "I"), ("Cu", "I")})


@dataclass(frozen=True, slots=True)
class Halide:
    """One candidate ABX3. Radii in angstrom: A twelve-fold, B and X six-fold."""

    A: str
    B: str
    X: str
    rA: float
    rB: float
    rX: float

    @property
    def formula(self) -> str:
        """The stable id."""
        return f"{self.A}{self.B}{self.X}3"

    @property
    def tolerance(self) -> float:
        """Goldschmidt's t = (rA + rX) / sqrt(2) (rB + rX)."""
        return (self.rA + self.rX) / (sqrt(2) * (self.rB + self.rX))

    @property
    def octahedral(self) -> float:
        """mu = rB / rX."""
        return self.rB / self.rX

    @property
    def lead_free(self) -> bool:
        """Free of Pb, Cd, Hg and Tl."""
        return not TOXIC & {self.A, self.B}

    @property
    def starting_lattice_constant_A(self) -> float:
        """Where hard spheres touch: B–X along the edge or A–X along the face diagonal."""
        return max(2 * (self.rB + self.rX), sqrt(2) * (self.rA + self.rX))


@cache
def halides() -> tuple[Halide, ...]:
    """Every candidate inside the window, the toxic ones too, in the order of A, B, X by name."""
    return tuple(sorted(_inside_the_window(), key=lambda h: (h.A, h.B, HALIDES.index(h.X))))


def lead_free_halides() -> tuple[Halide, ...]:
    """The candidates of the main job: without Pb, Cd, Hg and Tl."""
    return tuple(h for h in halides() if h.lead_free)


def halide(a: str, b: str, x: str) -> Halide:
    """ABX3 with its radii, inside the window or not; InputError where a radius is unknown."""
    radii = _radius_a(a), ionic_radius(b, 2, "VI"), ionic_radius(x, -1, "VI")
    for role, element, radius in zip("ABX", (a, b, x), radii, strict=True):
        if radius is None or (role == "X" and x not in HALIDES):
            raise InputError(
                f"params.{role}",
                f"no ionic radius for {element!r} on the {role} site of a halide perovskite",
                f"known there: {', '.join(_known(role))}",
            )
    return Halide(a, b, x, *(radius or 0.0 for radius in radii))


def halide_pool(candidates: tuple[Halide, ...] | None = None) -> Pool:
    """A pool of these candidates (the lead-free ones by default) with the columns of `describe`."""
    rows = [describe(h) for h in candidates or lead_free_halides()]
    return Pool.from_rows(rows, id="formula", features=FEATURES)


FEATURES = (
    "rA",
    "rB",
    "rX",
    "tolerance",
    "octahedral",
    "chi_A",
    "chi_B",
    "chi_X",
    "mendeleev_B",
    "ionisation_B",
)
"""What the surrogate sees."""


def describe(h: Halide) -> dict[str, str | float]:
    """One row: formula, A, B, X and the numeric columns named in FEATURES.

    `chi` is Pauling's electronegativity, `mendeleev` Pettifor's number (like elements stand near
    one another), `ionisation_B` the energy to make B2+ (eV, first and second together).
    """
    b = Element(h.B)
    first, second = b.ionization_energies[:2]
    return {
        "formula": h.formula,
        "A": h.A,
        "B": h.B,
        "X": h.X,
        "rA": h.rA,
        "rB": h.rB,
        "rX": h.rX,
        "tolerance": round(h.tolerance, 6),
        "octahedral": round(h.octahedral, 6),
        "chi_A": float(Element(h.A).X),
        "chi_B": float(b.X),
        "chi_X": float(Element(h.X).X),
        "mendeleev_B": float(b.mendeleev_no),
        "ionisation_B": round(float(first + second), 4),
    }


def _inside_the_window() -> Iterator[Halide]:
    for a in _known("A"):
        for b in _known("B"):
            for x in HALIDES:
                h = halide(a, b, x)
                fits = TOLERANCE[0] <= h.tolerance <= TOLERANCE[1]
                fits = fits and OCTAHEDRAL[0] <= h.octahedral <= OCTAHEDRAL[1]
                if fits and a != b and (b, x) not in _NO_DIHALIDE:
                    yield h


@cache
def _known(role: str) -> tuple[str, ...]:
    """The elements that may sit there."""
    if role == "X":
        return HALIDES
    symbols = sorted(e.symbol for e in Element if e.symbol not in _LEFT_OUT)
    if role == "A":
        return tuple(s for s in symbols if _radius_a(s) is not None)
    return tuple(s for s in symbols if ionic_radius(s, 2, "VI") is not None)


def _radius_a(element: str) -> float | None:
    """Twelve-fold; eight-fold for the ions that Shannon never saw higher (Li, Ag)."""
    return ionic_radius(element, 1, "XII") or ionic_radius(element, 1, "VIII")
