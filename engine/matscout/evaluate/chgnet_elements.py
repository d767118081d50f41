"""Cell volume and bulk modulus of an elemental crystal: the experiment whose answer is known.

Its crystals are those of the Delta test (Lejaeghere et al., Science 351, aad3000 (2016)), which ASE
carries with volumes and bulk moduli from all-electron PBE, the functional that CHGNet learnt.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pymatgen.core import Structure

from matscout.errors import InputError, did_you_mean
from matscout.evaluate.base import Context
from matscout.evaluate.chgnet_potential import ChgnetPotential, potential
from matscout.evaluate.eos import EquationOfState, find_eos
from matscout.trial import Measurement, Params, Report, Target

TARGETS = (Target("volume_A3_atom", "min", "A^3/atom"), Target("bulk_modulus_GPa", "max", "GPa"))

# The Delta test's own scan: seven volumes within 6 % of the lowest.
_FINE = np.linspace(0.94, 1.06, 7)
_COARSE = np.linspace(0.80, 1.25, 16)


class ElementOracle:
    """Measures volume_A3_atom and bulk_modulus_GPa of the element in param `element`, by CHGNet.

    The cell is scaled as a whole: axial ratios and positions stay those of the reference crystal.
    """

    costly = False
    targets = TARGETS

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        """One measurement; raises ExperimentFailed where no equation of state fits."""
        chgnet = potential(context.device)
        crystal = reference_crystal(str(params.get("element", "")))
        fit = scaled_equation_of_state(chgnet, crystal)
        yield Measurement(
            values={
                "volume_A3_atom": fit.V0_A3 / len(crystal),
                "bulk_modulus_GPa": fit.B0_GPa,
            },
            source=chgnet.version,
        )


def reference_crystal(element: str) -> Structure:
    """The crystal of ASE's `dcdft` collection; InputError where it has none."""
    try:
        from ase.collections import dcdft
    except ImportError:
        raise InputError(
            "evaluator", "CHGNet is not installed", "pip install 'matscout[oracle]'"
        ) from None
    from pymatgen.io.ase import AseAtomsAdaptor

    if element not in dcdft.names:
        raise InputError(
            "params.element", f"no crystal of {element!r}", did_you_mean(element, dcdft.names)
        )
    plain = AseAtomsAdaptor.get_structure(dcdft[element])
    return Structure(plain.lattice, [s.specie.symbol for s in plain], plain.frac_coords)


def scaled_equation_of_state(chgnet: ChgnetPotential, crystal: Structure) -> EquationOfState:
    """E(V) of the crystal under uniform scaling, around its lowest volume; eV and A^3 per cell."""

    def energies(volumes: np.ndarray) -> np.ndarray:
        crystals = []
        for volume in volumes:
            scaled = crystal.copy()
            scaled.scale_lattice(float(volume))
            crystals.append(scaled)
        return chgnet.energies_eV(crystals)

    coarse = crystal.volume * _COARSE
    return find_eos(energies, coarse, _FINE, max_rms_eV=0.005 * len(crystal))
