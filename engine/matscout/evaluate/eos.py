"""Third-order Birch–Murnaghan equation of state, found by two scans of volumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from matscout.errors import ExperimentFailed

EV_PER_A3_IN_GPA = 160.21766208


@dataclass(frozen=True, slots=True)
class EquationOfState:
    """Where a crystal rests: energy (eV), volume (A^3), bulk modulus (GPa), its derivative.

    `rms_eV` is what the fit misses; energies and volumes are of the cell that was scanned.
    """

    E0_eV: float
    V0_A3: float
    B0_GPa: float
    B1: float
    rms_eV: float


def birch_murnaghan(volume: np.ndarray, e0: float, v0: float, b0: float, b1: float) -> np.ndarray:
    """E(V) in eV, `b0` in eV/A^3: Birch, Phys. Rev. 71, 809 (1947), as in PRB 70, 224107 eq. (1)."""
    x = (v0 / volume) ** (2 / 3) - 1.0
    return e0 + 9 / 16 * v0 * b0 * (b1 * x**3 + x**2 * (2.0 - 4.0 * x))


def find_eos(
    energies_at: Callable[[np.ndarray], np.ndarray],
    coarse_A3: np.ndarray,
    fine: np.ndarray,
    *,
    max_rms_eV: float,
) -> EquationOfState:
    """The equation of state around the lowest of the `coarse_A3` volumes.

    `energies_at` takes volumes (n,) in A^3 and gives energies (n,) in eV; `fine` are the volumes to
    fit, as parts of the one where a parabola through the three lowest coarse points bottoms out.
    Raises ExperimentFailed where the lowest coarse point is at an end, and as `fit_eos` does.
    """
    coarse = energies_at(coarse_A3)
    lowest = int(np.argmin(coarse))
    if lowest in (0, len(coarse) - 1):
        raise ExperimentFailed("equation of state: no minimum inside the scanned volumes")
    near = slice(lowest - 1, lowest + 2)
    curvature, slope, _ = np.polyfit(coarse_A3[near] - coarse_A3[lowest], coarse[near], 2)
    volumes = (coarse_A3[lowest] - slope / (2 * curvature)) * fine
    return fit_eos(volumes, energies_at(volumes), max_rms_eV=max_rms_eV)


def fit_eos(volumes: np.ndarray, energies: np.ndarray, *, max_rms_eV: float) -> EquationOfState:
    """Fit E(V); volumes in A^3 and energies in eV of the same cell, (n,), at least five.

    Raises ExperimentFailed where the scan holds no minimum, where the fit leaves it, or where it
    misses the points by more than `max_rms_eV`: then there is no equation of state to speak of.
    """
    v, e = np.asarray(volumes, dtype=float), np.asarray(energies, dtype=float)
    if not np.isfinite(e).all():
        raise ExperimentFailed("equation of state: an energy is not finite")
    lowest = int(np.argmin(e))
    if lowest in (0, len(v) - 1):
        raise ExperimentFailed("equation of state: no minimum inside the scanned volumes")
    curvature, slope, _ = np.polyfit(v - v[lowest], e, 2)
    if curvature <= 0:
        raise ExperimentFailed("equation of state: energy is not convex in volume")
    v0 = v[lowest] - slope / (2 * curvature)
    start = np.array([e[lowest], v0, 2 * curvature * v0, 4.0])
    scale = np.array([0.01, 0.01 * v[lowest], abs(start[2]), 4.0])
    fit = least_squares(
        lambda p: birch_murnaghan(v, *p) - e, start, x_scale=scale, method="lm", max_nfev=2000
    )
    e0, v0, b0, b1 = (float(p) for p in fit.x)
    rms = float(np.sqrt(np.mean(fit.fun**2)))
    if not fit.success or not v.min() < v0 < v.max() or b0 <= 0:
        raise ExperimentFailed("equation of state: the fit has no minimum inside the scan")
    if rms > max_rms_eV:
        raise ExperimentFailed(
            f"equation of state: the fit misses the energies by {rms * 1000:.0f} meV"
        )
    return EquationOfState(e0, v0, b0 * EV_PER_A3_IN_GPA, b1, rms)
