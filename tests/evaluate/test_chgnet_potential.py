"""CHGNet itself: quiet, lazy, consistent with itself, and failing the way an experiment fails."""

import subprocess
import sys

import numpy as np
import pytest

from matscout.data.halide_crystals import BX2_PROTOTYPES, cubic_perovskite, perturbed
from matscout.errors import ExperimentFailed, InputError

pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")

from matscout.evaluate.chgnet_potential import ChgnetPotential, potential


def test_nothing_heavy_is_imported_and_nothing_printed():
    code = (
        "import sys, matscout.evaluate.chgnet_oracle as o, matscout.evaluate.chgnet_elements\n"
        "o.ChgnetOracle()\n"
        "assert not {'torch', 'chgnet', 'ase'} & set(sys.modules)\n"
        "o.potential('cpu')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "chgnet.model.model", None)
    with pytest.raises(InputError, match=r"pip install 'matscout\[oracle\]'"):
        ChgnetPotential()


def test_forces_and_stress_are_the_slopes_of_the_energy_and_chgnets_own():
    from ase.units import GPa

    crystal = perturbed(BX2_PROTOTYPES[3].crystal("Sn", "I", 40.0), 3)
    chgnet = potential()
    energy, forces, stress = chgnet.energy_forces_stress(crystal)
    assert energy == pytest.approx(chgnet.energies_eV([crystal])[0], abs=1e-4)

    own = chgnet._model.predict_structure(crystal, task="efs")
    np.testing.assert_allclose(forces, own["f"], atol=1e-3)
    np.testing.assert_allclose(stress, own["s"] * GPa, atol=1e-5)

    h = 0.01
    ahead, behind = crystal.copy(), crystal.copy()
    ahead.translate_sites([0], [h, 0, 0], frac_coords=False)
    behind.translate_sites([0], [-h, 0, 0], frac_coords=False)
    up, down = chgnet.energies_eV([ahead, behind])
    assert forces[0, 0] == pytest.approx(-(up - down) / (2 * h), abs=5e-3)


def test_the_same_question_has_the_same_answer_to_the_last_bit():
    crystals = [cubic_perovskite("Cs", "Sn", "I", a) for a in (6.0, 6.2, 6.4)]
    first = potential().energies_eV(crystals)
    assert (first == potential().energies_eV(crystals)).all()
    assert (first == ChgnetPotential().energies_eV(crystals)).all()


def test_isolated_atoms_are_a_failed_experiment():
    with pytest.raises(ExperimentFailed, match="isolated atom"):
        potential().energies_eV([cubic_perovskite("Cs", "Sn", "I", 30.0)])
    with pytest.raises(ExperimentFailed, match="isolated atom"):
        potential().relax(cubic_perovskite("Cs", "Sn", "I", 30.0))
