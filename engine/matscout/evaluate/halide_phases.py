"""The phases AX and BX2 that ABX3 could fall apart into, each relaxed once and then kept."""

from __future__ import annotations

from pathlib import Path

from matscout.bounded_read import read_bounded
from matscout.data.halide_crystals import AX_PROTOTYPES, BX2_PROTOTYPES, Prototype
from matscout.data.halide_phases import Phase, shipped_phases
from matscout.durable_file import replace_durably
from matscout.evaluate.chgnet_potential import ChgnetPotential
from matscout.evaluate.phase_search import lowest_phase, measured

RECIPE = 1
"""Counts up whenever the search or the prototypes change, so that older caches are left alone."""

# A kept crystal is trusted if its energy now is the one written down: another build of torch moves
# it by 1e-6 eV/atom, another potential by 1e-2.
_SAME_EV = 5e-4


class ReferencePhases:
    """Reference phases for one potential, looked for in this process, then in `folder`, then among
    those that come with matscout, and relaxed only if they are nowhere.

    The energy is always a live single point at the kept crystal, so that the answer is the same
    wherever it was found. Any number of processes may share the folder: a file appears whole, and
    all of them would write the same. With `shipped=False` every phase is relaxed here.
    """

    def __init__(
        self, potential: ChgnetPotential, folder: Path | None = None, *, shipped: bool = True
    ) -> None:
        self.recipe = recipe(potential)
        self._potential = potential
        self._folder = None if folder is None else Path(folder) / self.recipe
        self._shipped = shipped_phases(self.recipe) if shipped else {}
        self._known: dict[str, Phase] = {}

    def ax(self, a: str, x: str) -> Phase:
        """The lowest AX; raises ExperimentFailed where none could be relaxed."""
        return self._find(f"{a}{x}", AX_PROTOTYPES)

    def bx2(self, b: str, x: str) -> Phase:
        """The lowest BX2; raises ExperimentFailed where none could be relaxed."""
        return self._find(f"{b}{x}2", BX2_PROTOTYPES)

    def _find(self, formula: str, prototypes: tuple[Prototype, ...]) -> Phase:
        if formula not in self._known:
            phase = self._trusted(self._read(formula)) or self._trusted(self._shipped.get(formula))
            if phase is None:
                phase = lowest_phase(self._potential, formula, prototypes)
                self._write(phase)
            self._known[formula] = phase
        return self._known[formula]

    def _trusted(self, phase: Phase | None) -> Phase | None:
        if phase is None:
            return None
        now = measured(self._potential, phase)
        return now if abs(now.energy_eV - phase.energy_eV) < _SAME_EV else None

    def _read(self, formula: str) -> Phase | None:
        """The cached phase; a file that is absent or damaged counts as none and is written anew."""
        if self._folder is None:
            return None
        try:
            return Phase.from_json(read_bounded(self._folder / f"{formula}.json").decode())
        except (OSError, ValueError):
            return None

    def _write(self, phase: Phase) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        replace_durably(self._folder / f"{phase.formula}.json", phase.to_json().encode())


def recipe(potential: ChgnetPotential) -> str:
    """Names a potential and the way its phases are found; part of a folder's name."""
    return f"{potential.version}-recipe-{RECIPE}"
