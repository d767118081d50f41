"""The universal potential CHGNet (Deng et al., Nat. Mach. Intell. 5, 1031 (2023)).

CHGNet and ASE come with the extra `oracle`; nothing of them is imported before the first use. The
weights travel inside the wheel, so no network is needed.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from matscout.errors import ExperimentFailed, InputError

if TYPE_CHECKING:
    from pymatgen.core import Structure

MODEL = "0.3.0"


class ChgnetPotential:
    """Energies and relaxations of crystals on one device. Get it through `potential(device)`."""

    def __init__(self, device: str = "cpu") -> None:
        try:
            with _quiet():
                import ase  # noqa: F401
                from chgnet.model.model import CHGNet

                self._model: Any = CHGNet.load(model_name=MODEL, use_device=device, verbose=False)
        except ImportError as error:
            if (error.name or "").split(".")[0] not in ("chgnet", "ase"):
                raise
            raise InputError(
                "evaluator", "CHGNet is not installed", "pip install 'matscout[oracle]'"
            ) from None
        self._model.eval()
        self._device = device
        self.version = f"chgnet-{MODEL}"

    def energies_eV(self, structures: Sequence[Structure]) -> np.ndarray:
        """Total energy (eV per cell) of each structure, (n,), in one batch.

        Raises ExperimentFailed where an atom has no neighbour within the potential's cut-off.
        """
        if not structures:
            return np.zeros(0)
        with _answers():
            graphs = [self._model.graph_converter(structure) for structure in structures]
            found = self._model.predict_graph(graphs, task="e", batch_size=len(graphs))
        per_atom = [found] if isinstance(found, dict) else found
        return np.array([float(a["e"]) * len(s) for a, s in zip(per_atom, structures, strict=True)])

    def energy_and_moments(self, structure: Structure) -> tuple[float, np.ndarray]:
        """eV per cell, and the size of each atom's magnetic moment in Bohr magnetons, (n_atoms,).

        Raises ExperimentFailed as `energies_eV` does.
        """
        with _answers():
            graph = self._model.graph_converter(structure)
            found = self._model.predict_graph(graph, task="em")
        return float(found["e"]) * len(structure), np.asarray(found["m"], dtype=float)

    def energy_forces_stress(self, structure: Structure) -> tuple[float, np.ndarray, np.ndarray]:
        """eV per cell, eV/A (n_atoms, 3) and eV/A^3 (3, 3), tension positive, as ASE has it.

        One backward pass through positions and lattice. CHGNet's own way keeps a second-order graph
        for training and takes 1.8 times as long for the same numbers.
        """
        import torch

        with _answers():
            graph = self._model.graph_converter(structure).to(self._device)
            energy = self._model([graph], task="e")["e"].sum() * len(structure)
            by_coords, by_lattice = torch.autograd.grad(
                energy, (graph.atom_frac_coord, graph.lattice)
            )
        lattice = graph.lattice.detach()
        forces = -by_coords @ torch.linalg.inv(lattice).T  # r = f L, so dE/df = dE/dr L^T
        stress = lattice.T @ by_lattice / torch.linalg.det(lattice).abs()  # L -> L (1 + strain)
        return (
            float(energy),
            forces.cpu().numpy().astype(float),
            ((stress + stress.T) / 2).cpu().numpy().astype(float),
        )

    def relax(
        self, structure: Structure, *, steps: int = 250, fmax_eV_A: float = 0.02
    ) -> tuple[Structure, float]:
        """Cell and positions at rest, and the energy (eV per cell) there.

        BFGS on the Frechet cell, until no force is above `fmax_eV_A` or `steps` are spent (half the
        steps of FIRE on these crystals). A rest that was not quite reached is still an upper bound.
        """
        from ase.filters import FrechetCellFilter
        from ase.optimize import BFGS
        from pymatgen.io.ase import AseAtomsAdaptor

        from matscout.evaluate.chgnet_calculator import ChgnetCalculator

        atoms = AseAtomsAdaptor.get_atoms(structure)
        atoms.calc = ChgnetCalculator(self)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=fmax_eV_A, steps=steps)
            energy = float(atoms.get_potential_energy())
        if not np.isfinite(energy):
            raise ExperimentFailed("relaxation: the energy is not finite")
        atoms.calc = None
        return AseAtomsAdaptor.get_structure(atoms), energy


@lru_cache(maxsize=2)
def potential(device: str = "cpu") -> ChgnetPotential:
    """The potential on `device`, loaded once a process: 4 s for the imports, 0.1 s for weights."""
    return ChgnetPotential(device)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """CHGNet prints as it loads; a worker's output belongs to matscout."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _answers() -> Iterator[None]:
    """CHGNet raises a bare ValueError for isolated atoms: that is data, not a crash."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch, about the way CHGNet makes tensors
            yield
    except ValueError as error:
        if "isolated atom" not in str(error):
            raise
        raise ExperimentFailed(
            "isolated atom: no neighbour within the cut-off of the potential"
        ) from None
