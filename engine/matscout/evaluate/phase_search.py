"""The lowest crystal of a binary halide, relaxed from every prototype it might crystallise in."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from math import pi

import numpy as np
from pymatgen.core import Structure

from matscout.data.halide_crystals import Prototype, from_plain, perturbed, to_plain
from matscout.data.halide_phases import Phase
from matscout.data.shannon import ionic_radius
from matscout.errors import ExperimentFailed
from matscout.evaluate.chgnet_potential import ChgnetPotential

STEPS = 250

_Rest = tuple[float, str, Structure]
"""Energy (eV/atom), prototype and crystal at the end of a relaxation."""

# A prototype that rests higher than this above the lowest is not kicked: what a kick gains can be
# 0.1 eV/atom, but by then it has turned the crystal into one of the lower prototypes.
_WORTH_A_KICK_EV = 0.04


def lowest_phase(
    potential: ChgnetPotential, formula: str, prototypes: Sequence[Prototype]
) -> Phase:
    """Relax each prototype as it stands and, where it is near the lowest, also after a seeded kick.

    Symmetry holds an unkicked crystal on its saddle point, and a kicked one may roll into a worse
    valley, so the lowest of all counts. `formula` is MX or MX2. The same arguments
    give the same phase in every process.
    """
    rests: list[_Rest] = []
    for prototype in prototypes:
        with suppress(ExperimentFailed):  # one prototype fewer to choose from
            rests.append(_rest(potential, prototype.name, _start(potential, formula, prototype)))
    if not rests:
        raise ExperimentFailed(f"{formula}: no reference phase could be relaxed")
    floor = min(energy for energy, *_ in rests)
    for energy, name, crystal in list(rests):
        if energy < floor + _WORTH_A_KICK_EV:
            kicked = perturbed(crystal, zlib.crc32(f"{formula} {name}".encode()))
            with suppress(ExperimentFailed):
                rests.append(_rest(potential, name, kicked))
    _, name, crystal = min(rests, key=lambda rest: rest[0])
    return measured(potential, Phase(formula, name, 0.0, to_plain(crystal)))


def measured(potential: ChgnetPotential, phase: Phase) -> Phase:
    """The same phase with the energy that the potential gives its crystal now."""
    crystal = from_plain(phase.crystal)
    energy = float(potential.energies_eV([crystal])[0]) / len(crystal)
    return Phase(phase.formula, phase.prototype, energy, phase.crystal)


def split(formula: str) -> tuple[str, str]:
    """Cation and halide of MX or MX2: ("Sn", "I") of "SnI2"."""
    body = formula.rstrip("2")
    halide = next(x for x in ("Cl", "Br", "F", "I") if body.endswith(x))
    return body.removesuffix(halide), halide


def _rest(potential: ChgnetPotential, name: str, start: Structure) -> _Rest:
    crystal, energy = potential.relax(start, steps=STEPS)
    return energy / len(crystal), name, crystal


def _start(potential: ChgnetPotential, formula: str, prototype: Prototype) -> Structure:
    """The prototype at the lowest of thirteen volumes around that of hard spheres filling 70 %."""
    cation, halide = split(formula)
    charge = 2 if formula.endswith("2") else 1
    r_cation = ionic_radius(cation, charge, "VI") or ionic_radius(cation, charge, "VIII") or 1.0
    r_halide = ionic_radius(halide, -1, "VI") or 2.0
    spheres = 4 / 3 * pi * (r_cation**3 + charge * r_halide**3)
    volume = spheres / 0.7 / (1 + charge)
    trials = [prototype.crystal(cation, halide, volume * f) for f in np.linspace(0.7, 1.42, 13)]
    return trials[int(np.argmin(potential.energies_eV(trials)))]
