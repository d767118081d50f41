"""Reference phases: found by relaxation, kept on disk, trusted only while the potential agrees."""

import json

import pytest

from matscout.data.halide_crystals import AX_PROTOTYPES, BX2_PROTOTYPES
from matscout.data.halide_phases import Phase, shipped_phases
from matscout.data.halides import halides
from matscout.errors import ExperimentFailed

pytest.importorskip("chgnet", reason="the extra 'oracle' is not installed")

from matscout.evaluate import halide_phases
from matscout.evaluate.chgnet_potential import potential
from matscout.evaluate.halide_phases import ReferencePhases, recipe
from matscout.evaluate.phase_search import lowest_phase, measured, split


@pytest.fixture
def searches(monkeypatch):
    """Counts the searches, which are what a cache is there to save."""
    asked = []

    def counted(chgnet, formula, prototypes):
        asked.append(formula)
        return lowest_phase(chgnet, formula, prototypes)

    monkeypatch.setattr(halide_phases, "lowest_phase", counted)
    return asked


@pytest.mark.parametrize(
    "formula, parts", [("NaCl", ("Na", "Cl")), ("BeF2", ("Be", "F")), ("SnI2", ("Sn", "I"))]
)
def test_formulas_are_taken_apart(formula, parts):
    assert split(formula) == parts


def test_every_phase_that_the_pool_needs_is_shipped():
    shipped = shipped_phases(recipe(potential()))
    assert {f"{h.A}{h.X}" for h in halides()} | {f"{h.B}{h.X}2" for h in halides()} == set(shipped)


def test_a_phase_is_relaxed_once_and_then_read_back(tmp_path, searches):
    fresh = ReferencePhases(potential(), tmp_path, shipped=False).ax("Na", "Cl")
    again = ReferencePhases(potential(), tmp_path, shipped=False).ax("Na", "Cl")
    assert searches == ["NaCl"]
    assert again == fresh
    assert fresh.prototype == "rocksalt"
    shipped = ReferencePhases(potential()).ax("Na", "Cl")
    assert shipped.energy_eV == pytest.approx(fresh.energy_eV, abs=2e-4)


def test_a_damaged_or_foreign_file_is_searched_anew(tmp_path, searches, monkeypatch):
    monkeypatch.setattr(halide_phases, "AX_PROTOTYPES", AX_PROTOTYPES[:1])  # to be quick
    phases = ReferencePhases(potential(), tmp_path, shipped=False)
    file = tmp_path / phases.recipe / "NaF.json"
    true = phases.ax("Na", "F")
    for text in ("", '{"formula": "NaF"}', json.dumps({"a": 1}), true.to_json()[:-9]):
        file.write_text(text)
        assert ReferencePhases(potential(), tmp_path, shipped=False).ax("Na", "F") == true
    wrong = Phase(true.formula, true.prototype, true.energy_eV - 0.01, true.crystal)
    file.write_text(wrong.to_json())
    assert ReferencePhases(potential(), tmp_path, shipped=False).ax("Na", "F") == true
    assert Phase.from_json(file.read_text()) == true
    assert searches == ["NaF"] * 6


def test_a_kick_leaves_the_saddle_point_and_is_repeatable():
    """Fluorite SnI2 is held up by its symmetry, 0.1 eV/atom above where a kick lets it roll."""
    fluorite = (BX2_PROTOTYPES[0],)
    found = lowest_phase(potential(), "SnI2", fluorite)
    start = BX2_PROTOTYPES[0].crystal("Sn", "I", 45.0)
    _, held_eV = potential().relax(start)
    assert found.energy_eV < held_eV / len(start) - 0.1
    assert lowest_phase(potential(), "SnI2", fluorite) == found


def test_the_lowest_of_all_prototypes_wins():
    one_by_one = [
        lowest_phase(potential(), "CsI", (prototype,)).energy_eV for prototype in AX_PROTOTYPES
    ]
    assert lowest_phase(potential(), "CsI", AX_PROTOTYPES).energy_eV == min(one_by_one)


def test_shipped_energies_are_those_of_the_installed_potential():
    shipped = shipped_phases(recipe(potential()))
    for formula in ("CsI", "SnI2", "ZnF2", "KF"):
        now = measured(potential(), shipped[formula])
        assert now.energy_eV == pytest.approx(shipped[formula].energy_eV, abs=1e-4)


def test_where_nothing_relaxes_the_experiment_failed(monkeypatch):
    def fails(*_, **__):
        raise ExperimentFailed("isolated atom")

    monkeypatch.setattr(type(potential()), "relax", fails)
    with pytest.raises(ExperimentFailed, match="KF: no reference phase"):
        lowest_phase(potential(), "KF", AX_PROTOTYPES)
