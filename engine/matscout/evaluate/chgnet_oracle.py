"""The experiment of the main job: the decomposition enthalpy of a cubic halide perovskite, live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from matscout.data.halide_crystals import cubic_perovskite
from matscout.data.halides import Halide, halide
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.chgnet_potential import ChgnetPotential, potential
from matscout.evaluate.eos import EquationOfState, find_eos
from matscout.evaluate.halide_phases import ReferencePhases
from matscout.trial import Measurement, Params, Report, Target

TARGET = Target("dH_dec_meV_atom", "min", "meV/atom")
"""Enthalpy of AX + BX2 -> ABX3 per atom of ABX3: below zero, the perovskite is the stable side.
The most stable candidate has the lowest value."""

# Edge lengths, as parts of the hard-sphere one: the first scan finds the valley, the second its
# floor. Nine points within 4 % of the edge (12 % of the volume) determine four parameters well
# and stay where Birch-Murnaghan holds.
_COARSE_EDGES = np.linspace(0.88, 1.16, 15)
_FINE_EDGES = np.linspace(0.96, 1.04, 9)

# What a fit of five atoms may miss before the enthalpy is in doubt by 2 meV/atom.
_MAX_RMS_EV = 0.01


class ChgnetOracle:
    """Measures `dH_dec_meV_atom` of the candidate in params A, B, X, by CHGNet.

    The energy of ABX3 is the floor of a Birch-Murnaghan equation of state of the cubic cell, those
    of AX and BX2 are of relaxed phases (`ReferencePhases`), kept in the folder `cache`. Also
    returns a0_A (lattice constant, angstrom), B0_GPa (bulk modulus) and E0_eV_atom. One experiment
    takes 0.1 to 0.5 s on one thread where the phases are known, 10 to 60 s where they are not.

    Raises ExperimentFailed where an atom is isolated or no equation of state fits, InputError where
    A, B or X is no element of that role or CHGNet is not installed.
    """

    costly = False
    targets = (TARGET,)

    def __init__(self, cache: Path | None = None, *, shipped: bool = True) -> None:
        self._cache = None if cache is None else Path(cache)
        self._shipped = shipped
        self._phases: dict[str, ReferencePhases] = {}

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        """One measurement; nothing is random, so the seed is not used."""
        candidate = _candidate(params)
        chgnet = potential(context.device)
        if context.device not in self._phases:
            self._phases[context.device] = ReferencePhases(
                chgnet, self._cache, shipped=self._shipped
            )
        values = decomposition(chgnet, self._phases[context.device], candidate)
        yield Measurement(values=values, source=chgnet.version)


def decomposition(
    chgnet: ChgnetPotential, phases: ReferencePhases, candidate: Halide
) -> dict[str, float]:
    """dH = [5 E(ABX3) - 2 E(AX) - 3 E(BX2)] / 5, energies per atom, in meV/atom; and E0, a0, B0."""
    cubic = cubic_equation_of_state(chgnet, candidate)
    ax = phases.ax(candidate.A, candidate.X).energy_eV
    bx2 = phases.bx2(candidate.B, candidate.X).energy_eV
    return {
        TARGET.name: 1000 * (cubic.E0_eV - 2 * ax - 3 * bx2) / 5,
        "E0_eV_atom": cubic.E0_eV / 5,
        "a0_A": cubic.V0_A3 ** (1 / 3),
        "B0_GPa": cubic.B0_GPa,
    }


def cubic_equation_of_state(chgnet: ChgnetPotential, candidate: Halide) -> EquationOfState:
    """Of the five-atom cubic cell, around the lowest energy between 0.88 and 1.16 of the edge that
    hard spheres would have."""

    def energies(volumes: np.ndarray) -> np.ndarray:
        edges = np.cbrt(volumes)
        return chgnet.energies_eV(
            [cubic_perovskite(candidate.A, candidate.B, candidate.X, float(a)) for a in edges]
        )

    coarse = (candidate.starting_lattice_constant_A * _COARSE_EDGES) ** 3
    return find_eos(energies, coarse, _FINE_EDGES**3, max_rms_eV=_MAX_RMS_EV)


def _candidate(params: Params) -> Halide:
    missing = [role for role in "ABX" if role not in params]
    if missing:
        raise InputError(
            "params", f"no {', '.join(missing)}", "the CHGNet oracle takes the elements A, B and X"
        )
    return halide(str(params["A"]), str(params["B"]), str(params["X"]))
