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
from matscout.models.passes import sent


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
    that takes longer than the network itself. How many atoms and bonds a graph has is known on the
    CPU, wherever the graphs are: a GPU that was asked for it would be waited for in each batch.
    """

    def __init__(self, graphs: Sequence[Data], device: torch.device | str = "cpu") -> None:
        """`graphs` are numbered from 0 in this order."""
        self.z = torch.cat([graph.z for graph in graphs]).to(device)
        self.edge_index = torch.cat([graph.edge_index for graph in graphs], dim=1).to(device)
        self.distance = torch.cat([graph.distance for graph in graphs]).to(device)
        self._atoms = torch.tensor([graph.num_nodes for graph in graphs])
        self._bonds = torch.tensor([graph.edge_index.shape[1] for graph in graphs])
        self._first_atom = self._atoms.cumsum(0) - self._atoms
        self._first_bond = self._bonds.cumsum(0) - self._bonds

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
        flat = {name: getattr(self, name).to(device) for name in ("z", "edge_index", "distance")}
        moved.__dict__ = {**self.__dict__, **flat}
        return moved

    @property
    def sizes(self) -> np.ndarray:
        """Atoms and bonds of each graph, (n,): what it costs in memory."""
        return (self._atoms + self._bonds).numpy()

    def batch(self, rows: Tensor) -> Data:
        """The graphs of `rows`, (b,), as one: equal to torch_geometric's Batch, field by field."""
        rows, device = rows.cpu(), self.z.device
        own, bound = self._atoms[rows], self._bonds[rows]
        n, e = int(own.sum()), int(bound.sum())
        first = own.cumsum(0) - own  # where each graph's atoms begin in the batch
        about = [own, bound, self._first_atom[rows], self._first_bond[rows], first]
        atoms, bonds, first_atom, first_bond, first = sent(torch.stack(about), device)
        atom, bond = _ranges(first_atom, atoms, n), _ranges(first_bond, bonds, e)
        graph = torch.arange(len(rows), device=device)
        return Data(
            z=self.z[atom],
            edge_index=self.edge_index[:, bond] + first.repeat_interleave(bonds, output_size=e),
            distance=self.distance[bond],
            batch=graph.repeat_interleave(atoms, output_size=n),
            num_nodes=n,
            num_graphs=len(rows),
        )


def _ranges(first: Tensor, length: Tensor, total: int) -> Tensor:
    """first[0], first[0] + 1, …, first[1], …: `length[k]` numbers from each `first[k]` on, `total` in
    all."""
    starts = length.cumsum(0) - length
    steps = torch.arange(total, device=first.device)
    return steps + (first - starts).repeat_interleave(length, output_size=total)
