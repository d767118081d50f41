"""CHGNet as ASE's optimisers want it. Imports ASE: only `chgnet_potential` loads this, on use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from pymatgen.io.ase import AseAtomsAdaptor

if TYPE_CHECKING:
    from matscout.evaluate.chgnet_potential import ChgnetPotential


class ChgnetCalculator(Calculator):
    """Energy (eV), forces (eV/A) and stress (eV/A^3, Voigt) of ASE's atoms."""

    implemented_properties: ClassVar = ["energy", "forces", "stress"]

    def __init__(self, potential: ChgnetPotential) -> None:
        super().__init__()
        self._potential = potential

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        structure = AseAtomsAdaptor.get_structure(self.atoms)
        energy, forces, stress = self._potential.energy_forces_stress(structure)
        self.results = {
            "energy": energy,
            "forces": forces,
            "stress": full_3x3_to_voigt_6_stress(stress),
        }
