"""Equations of state: exact on exact data, and honest where there is none."""

import numpy as np
import pytest

from matscout.errors import ExperimentFailed
from matscout.evaluate.eos import EV_PER_A3_IN_GPA, birch_murnaghan, find_eos, fit_eos


def test_the_fit_returns_what_made_the_curve():
    volumes = np.linspace(180.0, 260.0, 9)
    fit = fit_eos(volumes, birch_murnaghan(volumes, -15.0, 220.0, 0.12, 4.7), max_rms_eV=0.01)
    assert fit.E0_eV == pytest.approx(-15.0)
    assert pytest.approx(220.0) == fit.V0_A3
    assert fit.B0_GPa == pytest.approx(0.12 * EV_PER_A3_IN_GPA)
    assert pytest.approx(4.7) == fit.B1
    assert fit.rms_eV < 1e-8


def test_bulk_modulus_is_the_curvature_at_rest():
    v, h = 100.0, 0.01
    e = birch_murnaghan(np.array([v - h, v, v + h]), -3.0, v, 0.5, 4.0)
    assert v * (e[0] - 2 * e[1] + e[2]) / h**2 == pytest.approx(0.5, rel=1e-4)


def test_two_scans_find_a_valley_that_the_guess_missed():
    def energies(volumes):
        return birch_murnaghan(volumes, -15.0, 220.0, 0.12, 4.7)

    fit = find_eos(energies, np.linspace(150, 300, 9), np.linspace(0.9, 1.1, 9), max_rms_eV=0.01)
    assert pytest.approx(220.0) == fit.V0_A3


@pytest.mark.parametrize("energies", [np.linspace(-1, -2, 9), np.linspace(-2, -1, 9)])
def test_no_minimum_is_a_failed_experiment(energies):
    with pytest.raises(ExperimentFailed, match="no minimum"):
        fit_eos(np.linspace(180.0, 260.0, 9), energies, max_rms_eV=0.01)


def test_no_minimum_in_the_coarse_scan_is_a_failed_experiment():
    with pytest.raises(ExperimentFailed, match="no minimum"):
        find_eos(lambda v: -v, np.linspace(1, 2, 9), np.linspace(0.9, 1.1, 9), max_rms_eV=0.01)


def test_a_jagged_curve_is_a_failed_experiment():
    volumes = np.linspace(180.0, 260.0, 9)
    energies = birch_murnaghan(volumes, -15.0, 220.0, 0.12, 4.7)
    energies[::2] += 0.05
    with pytest.raises(ExperimentFailed, match="misses"):
        fit_eos(volumes, energies, max_rms_eV=0.01)


def test_energies_that_are_no_numbers_are_a_failed_experiment():
    with pytest.raises(ExperimentFailed, match="finite"):
        fit_eos(np.linspace(1, 2, 5), np.array([1, np.nan, 0, 1, 2.0]), max_rms_eV=0.01)
