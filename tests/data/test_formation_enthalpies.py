"""The measured enthalpies that pymatgen ships, against values from the handbooks."""

from __future__ import annotations

import numpy as np
import pytest

from matscout.data.formation_enthalpies import formation_enthalpies

KJ_MOL_IN_EV = 1 / 96.485


def test_known_compounds() -> None:
    found = formation_enthalpies()
    assert len(found) > 2000 and len(set(found.formulas)) == len(found)
    assert np.isfinite(found.enthalpy).all() and (found.enthalpy > -6).all()
    where = {name: k for k, name in enumerate(found.formulas)}
    # NIST-JANAF, kJ/mol of formula units of 2, 5 and 2 atoms
    for name, kj, atoms in (("NaCl", -411.1, 2), ("Al2O3", -1675.7, 5), ("MgO", -601.2, 2)):
        assert found.enthalpy[where[name]] == pytest.approx(kj * KJ_MOL_IN_EV / atoms, abs=0.02)
    assert (
        np.nanmedian(found.uncertainty) < 0.05
        and (found.uncertainty[~np.isnan(found.uncertainty)] >= 0).all()
    )
