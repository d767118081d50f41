"""Crystals as graphs, made once in a process for each setting, and once for each device moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pymatgen.core import Structure

from matscout.models.crystal_graph import GraphTable, crystal_graphs
from matscout.models.hyperparameters import GraphSettings

GRAPH_TABLES = 4  # settings of the graph remembered at once; a sweep seldom varies them
_MADE_ON = "cpu"


@dataclass(frozen=True)
class DrawnGraphs:
    """Travels with the tables that it holds. Those are on the CPU, whence every device has its own:
    a worker with a GPU makes none of what its machine has been given."""

    structures: Sequence[Structure]
    _tables: dict[tuple[GraphSettings, str], GraphTable] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, object]:
        here = {key: table for key, table in self._tables.items() if key[1] == _MADE_ON}
        return {"structures": self.structures, "_tables": here}

    def on(self, settings: GraphSettings, cache: Path | None, device: torch.device) -> GraphTable:
        """All crystals, on `device`; neighbours are kept in the folder `cache`, if given."""
        key = (settings, str(device))
        if key not in self._tables:
            made = self._tables.get((settings, _MADE_ON))
            if made is None:
                made = GraphTable(crystal_graphs(self.structures, settings, cache))
            while len(self._tables) >= GRAPH_TABLES:
                self._tables.pop(next(iter(self._tables)))
            self._tables[key] = made.to(device)
        return self._tables[key]

    @property
    def held(self) -> int:
        """Tables in memory."""
        return len(self._tables)
