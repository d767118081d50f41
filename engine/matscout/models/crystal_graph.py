"""Crystals as graphs (Xie & Grossman, PRL 120, 145301 (2018)): atoms are nodes, bonds are edges."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pymatgen.core import Structure
from torch import Tensor
from torch_geometric.data import Data

from matscout.models.hyperparameters import GraphSettings
from matscout.models.neighbors import Neighbors, all_neighbors, nearest


def crystal_graph(structure: Structure, settings: GraphSettings) -> Data:
    """One crystal of n atoms and E directed bonds.

    `z` (n,) atomic numbers; `edge_index` (2, E) from neighbour to centre, which is the way that
    messages flow; `distance` (E,) in angstrom. A multigraph: an atom may be its own neighbour, and
    several images of one neighbour are several edges.
    """
    return crystal_graphs([structure], settings)[0]


def crystal_graphs(
    structures: Sequence[Structure], settings: GraphSettings, folder: Path | None = None
) -> list[Data]:
    """Of each, with neighbours from the store in `folder`, if given (some 3,500 a second are made
    on one core for crystals of seven atoms, and 8,000 read back)."""
    found = all_neighbors(structures, settings.cutoff_angstrom, folder)
    return [
        _graph(structure, nearest(bonds, settings.max_neighbors))
        for structure, bonds in zip(structures, found, strict=True)
    ]


def _graph(structure: Structure, bonds: Neighbors) -> Data:
    return Data(
        z=torch.tensor([site.specie.Z for site in structure], dtype=torch.int64),
        edge_index=torch.from_numpy(np.stack([bonds.neighbor, bonds.center])),
        distance=torch.from_numpy(bonds.distance.astype(np.float32)),
        num_nodes=len(structure),
    )


class GraphTable:
    """Many graphs end to end in three flat tensors, so that a batch is four gathers and no loop.

    torch_geometric's own collation walks through Python objects; for crystals of some ten atoms
    that takes longer than the network itself.
    """

    def __init__(self, graphs: Sequence[Data], device: torch.device | str = "cpu") -> None:
        """`graphs` are numbered from 0 in this order."""
        atoms = torch.tensor([graph.num_nodes for graph in graphs])
        bonds = torch.tensor([graph.edge_index.shape[1] for graph in graphs])
        self.z = torch.cat([graph.z for graph in graphs]).to(device)
        self.edge_index = torch.cat([graph.edge_index for graph in graphs], dim=1).to(device)
        self.distance = torch.cat([graph.distance for graph in graphs]).to(device)
        self._atoms, self._bonds = atoms.to(device), bonds.to(device)
        self._first_atom = (atoms.cumsum(0) - atoms).to(device)
        self._first_bond = (bonds.cumsum(0) - bonds).to(device)

    def __getstate__(self) -> dict[str, np.ndarray]:
        """As arrays, which Ray hands to the workers of a machine without a copy."""
        return {name: tensor.cpu().numpy() for name, tensor in self.__dict__.items()}

    def __setstate__(self, arrays: dict[str, np.ndarray]) -> None:
        with warnings.catch_warnings():
            # Arrays of Ray cannot be written to, and torch says so; nothing here writes to them.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            self.__dict__ = {name: torch.from_numpy(array) for name, array in arrays.items()}

    def __len__(self) -> int:
        return len(self._atoms)

    def to(self, device: torch.device | str) -> GraphTable:
        """The same graphs there; what is there already is not copied."""
        moved = object.__new__(GraphTable)
        moved.__dict__ = {name: tensor.to(device) for name, tensor in self.__dict__.items()}
        return moved

    @property
    def sizes(self) -> np.ndarray:
        """Atoms and bonds of each graph, (n,): what it costs in memory."""
        return (self._atoms + self._bonds).cpu().numpy()

    def batch(self, rows: Tensor) -> Data:
        """The graphs of `rows`, (b,), as one: equal to torch_geometric's Batch, field by field."""
        rows = rows.to(self.z.device)
        atoms, bonds = self._atoms[rows], self._bonds[rows]
        atom = _ranges(self._first_atom[rows], atoms)
        bond = _ranges(self._first_bond[rows], bonds)
        first = atoms.cumsum(0) - atoms  # where each graph's atoms begin in the batch
        graph = torch.arange(len(rows), device=rows.device)
        return Data(
            z=self.z[atom],
            edge_index=self.edge_index[:, bond] + first.repeat_interleave(bonds),
            distance=self.distance[bond],
            batch=graph.repeat_interleave(atoms),
            num_nodes=len(atom),
            num_graphs=len(rows),
        )


def _ranges(first: Tensor, length: Tensor) -> Tensor:
    """first[0], first[0] + 1, …, first[1], …: `length[k]` numbers from each `first[k]` on."""
    ends = length.cumsum(0)
    steps = torch.arange(int(ends[-1]) if len(ends) else 0, device=first.device)
    return steps + (first - (ends - length)).repeat_interleave(length)
