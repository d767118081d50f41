"""Crystal graphs: how many a second are made and read back, and how many a network learns from.

Crystals of up to ten atoms that matscout makes itself (other elements in AFLOW's prototypes). The
network and its settings are the trainer's defaults; beside our loop a plain one, as a user of PyTorch
Geometric writes it: `DataLoader`, `Batch`, AdamW, mean squared error. All of it in turns, on one thread.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pymatgen.core import Structure
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from matscout.cli.bench.interleaved import interleaved
from matscout.data.prototypes import substituted
from matscout.drive.run import versions
from matscout.models.cgcnn import Cgcnn
from matscout.models.crystal_graph import GraphTable, crystal_graphs
from matscout.models.fit import Fit
from matscout.models.hyperparameters import CgcnnSettings, FitSettings, GraphSettings
from matscout.models.objective import Objective

CRYSTALS, BATCHES = 2000, (64, 256)
_CPU = torch.device("cpu")
_GRAPH = GraphSettings()


def crystals(repeats: int, count: int = CRYSTALS) -> dict[str, Any]:
    """Structures a second, by what is done with them: the median over rounds, and each round's."""
    torch.set_num_threads(1)
    made = [one.structure for one in substituted(count, seed=0)]
    graphs = crystal_graphs(made, _GRAPH)
    volume = np.array([one.volume / len(one) for one in made])
    with tempfile.TemporaryDirectory(prefix="matscout-crystals-") as folder:
        crystal_graphs(made, _GRAPH, Path(folder))
        tasks: dict[str, Callable[[], None]] = {
            "graphs made": partial(_graphs, made),
            "graphs read": partial(_graphs, made, Path(folder)),
        }
        for batch in BATCHES:
            tasks[f"learned from, batches of {batch}"] = _our_epochs(graphs, volume, batch)
            tasks[f"a plain PyG loop, {batch}"] = _plain_epochs(graphs, volume, batch)
        for run in tasks.values():
            run()  # what is done once for all, such as a first batch, is not counted
        found = interleaved(
            {name: partial(_rate, run, count) for name, run in tasks.items()}, repeats
        )
    return {
        "command": f"matscout bench crystals --repeats {repeats}",
        "crystals": count,
        "atoms": round(float(np.mean([len(one) for one in made])), 2),
        "per_s": {name: _figures(rates) for name, rates in found.items()},
        "ratio": {str(batch): _figures(_ratios(found, batch), 3) for batch in BATCHES},
        "cores": os.cpu_count(),
        "versions": versions(),
    }


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    lines = [f"{result['crystals']} crystals of {result['atoms']} atoms: structures a second"]
    for name, one in result["per_s"].items():
        lines.append(
            f"  {name:32} {one['median']:8.0f}  [{one['lowest']:.0f}, {one['highest']:.0f}]"
        )
    for batch, one in result["ratio"].items():
        spread = f"[{one['lowest']:.2f}, {one['highest']:.2f}]"
        lines.append(f"  ours to PyG's, batches of {batch:4} {one['median']:8.2f}  {spread}")
    return "\n".join(lines)


def _graphs(structures: Sequence[Structure], folder: Path | None = None) -> None:
    crystal_graphs(structures, _GRAPH, folder)


def _our_epochs(graphs: list[Data], y: np.ndarray, batch: int) -> Callable[[], None]:
    shown, rows, settings = GraphTable(graphs), np.arange(len(y)), FitSettings(batch_size=batch)
    fit = Fit(
        lambda: Cgcnn(CgcnnSettings(), _GRAPH.cutoff_angstrom, 1),
        lambda network, numbers: network(shown.batch(numbers)),
        Objective("regression", y, rows, settings, _CPU),
        settings, rows, epochs=10_000, seed=np.random.SeedSequence(0), device=_CPU,
    )  # fmt: skip

    def epoch() -> None:
        for _ in fit.run_epoch():
            pass

    return epoch


def _plain_epochs(graphs: list[Data], y: np.ndarray, batch: int) -> Callable[[], None]:
    torch.manual_seed(0)
    goal = (y - y.mean()) / y.std()
    data = [graph.clone() for graph in graphs]
    for graph, value in zip(data, goal, strict=True):
        graph.y = torch.tensor([[value]], dtype=torch.float32)
    network = Cgcnn(CgcnnSettings(), _GRAPH.cutoff_angstrom, 1)
    settings = FitSettings()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )
    loader = DataLoader(data, batch_size=batch, shuffle=True)

    def epoch() -> None:
        for one in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(network(one), one.y)
            loss.backward()
            optimizer.step()

    return epoch


def _rate(run: Callable[[], None], count: int) -> float:
    began_s = time.perf_counter()
    run()
    return count / (time.perf_counter() - began_s)


def _ratios(found: dict[str, list[float]], batch: int) -> list[float]:
    ours, plain = found[f"learned from, batches of {batch}"], found[f"a plain PyG loop, {batch}"]
    return [one / other for one, other in zip(ours, plain, strict=True)]


def _figures(rates: Sequence[float], digits: int = 0) -> dict[str, float]:
    named = {"median": statistics.median(rates), "lowest": min(rates), "highest": max(rates)}
    return {name: round(rate, digits) for name, rate in named.items()}
