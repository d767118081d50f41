"""CHGNet against all-electron PBE, on the crystals of the Delta test."""

import numpy as np
import pytest

from matscout.errors import ExperimentFailed, InputError
from matscout.evaluate.base import Context

pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")

from ase.collections import dcdft

from matscout.evaluate.chgnet_elements import ElementOracle

# Molecular and noble-gas crystals are held by dispersion, which PBE does not have.
SOLIDS = [
    name for name in dcdft.names if name not in "H He N O F Ne Cl Ar Kr Xe Rn Br I Hg Po".split()
]
FEW = "Li C Al Si Ca V Ni Cu Zn Ge Sr Zr Nb Mo Ru Pd Ag Sn Ba W Ir Au Pb Sb".split()


def measured(element: str) -> tuple[float, float]:
    (found,) = ElementOracle().evaluate({"element": element}, Context())
    return found.values["volume_A3_atom"], found.values["bulk_modulus_GPa"]


def compare(elements: list[str]) -> tuple[float, float]:
    """Median error of the volume in per cent, and the correlation of the bulk moduli."""
    ours = np.array([measured(e) for e in elements])
    theirs = np.array(
        [[dcdft.data[e]["wien2k_volume"], dcdft.data[e]["wien2k_B"]] for e in elements]
    )
    error = np.median(np.abs(ours[:, 0] / theirs[:, 0] - 1)) * 100
    return float(error), float(np.corrcoef(ours[:, 1], theirs[:, 1])[0, 1])


def test_volumes_and_bulk_moduli_of_24_elements():
    error_percent, r = compare(FEW)
    assert error_percent < 3.0
    assert r > 0.95


@pytest.mark.slow
def test_volumes_and_bulk_moduli_of_every_solid_element():
    assert len(SOLIDS) >= 50
    error_percent, r = compare(SOLIDS)
    assert error_percent < 3.0
    assert r > 0.95


def test_solid_helium_does_not_hold_and_says_so():
    with pytest.raises(ExperimentFailed, match="equation of state"):
        measured("He")


def test_an_unknown_element_is_a_persons_mistake():
    with pytest.raises(InputError, match="no crystal of 'Xx'"):
        measured("Xx")
