"""What networks on another device are given. "meta" stands in for a GPU: it refuses to say what its
numbers are, which a GPU would be waited for; test_cuda.py has the rest."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch import Tensor, nn

from matscout.evaluate.drawn_graphs import DrawnGraphs
from matscout.models.crystal_graph import GraphTable, crystal_graph
from matscout.models.hyperparameters import GraphSettings
from matscout.models.inputs import Chosen, ColumnInputs
from matscout.models.mlp import Mlp
from matscout.models.passes import out_of_memory
from matscout.models.recipe import Recipe, outputs_of, penultimate_of, squared
from matscout.models.transfer import HeadSettings
from matscout.models.uncertainty.deep_kernel import shown_last

META = torch.device("meta")
SIZE = HeadSettings().size


def cells() -> list[Structure]:
    lattice = Lattice.cubic(3.2)
    return [
        Structure(lattice, ["Fe"], [[0, 0, 0]]),
        Structure(lattice, ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        Structure(lattice, ["Al", "Ni"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    ]


def test_a_batch_of_graphs_asks_its_device_for_no_number() -> None:
    table = GraphTable([crystal_graph(cell, GraphSettings()) for cell in cells()])
    there = table.to(META)
    for rows in ([2, 0], [1], [0, 0, 2]):
        here, far = table.batch(torch.tensor(rows)), there.batch(torch.tensor(rows))
        for name in ("z", "edge_index", "distance", "batch"):
            assert far[name].device == META and far[name].shape == here[name].shape, name
        assert (far.num_nodes, far.num_graphs) == (here.num_nodes, len(rows))
    assert np.array_equal(there.sizes, table.sizes)


def test_graphs_of_another_device_stay_with_their_process() -> None:
    drawn = DrawnGraphs(cells())
    for device in (META, torch.device("cpu")):
        drawn.on(GraphSettings(), None, device)
    sent = pickle.loads(pickle.dumps(drawn))
    assert (drawn.held, sent.held) == (2, 1)
    assert sent.on(GraphSettings(), None, torch.device("cpu")).z.device.type == "cpu"


@dataclass(frozen=True)
class Elsewhere(ColumnInputs):
    """Rows that a network sees only where it is."""

    where: str = ""

    def to(self, device: torch.device) -> Elsewhere:
        return replace(self, where=str(device))

    def batch(self, rows: Tensor) -> Tensor:
        assert self.where == "cpu", "not moved to the network"
        assert rows.device.type == "cpu", "numbers of rows are on the CPU"
        return super().batch(rows)


def test_inputs_go_where_the_network_is() -> None:
    table = np.random.default_rng(0).normal(size=(12, 3))
    inputs = Elsewhere(ColumnInputs.of(table).X)
    recipe = Recipe(lambda _, outputs: Mlp(3, outputs, SIZE), epochs=1)
    network = recipe.trained(inputs, table[:, 0], squared, 1, np.random.SeedSequence(0))
    for ask in (outputs_of, penultimate_of, shown_last):
        assert len(ask(network, inputs)) == 12
        some = Chosen.of(inputs, np.array([3, 1]))
        assert torch.allclose(ask(network, some), ask(network, inputs)[[3, 1]], atol=1e-6)
    assert ColumnInputs.of(table).to(META).batch(torch.tensor([1])).device == META


def test_heads_are_fitted_where_they_are_told_to() -> None:
    recipe = HeadSettings(device="cuda:0").recipe(lambda _, outputs: nn.Linear(3, outputs))
    assert recipe.device == "cuda:0" and recipe.settings == HeadSettings().settings


def test_memory_that_runs_out_is_known_by_all_its_names() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**61, dtype=torch.uint8)
    assert not isinstance(caught.value, torch.OutOfMemoryError), "the CPU's allocator has no class"
    known = [
        caught.value, MemoryError(), torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ]  # fmt: skip
    assert all(map(out_of_memory, known))
    others = [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("out of memory"),
    ]
    assert not any(map(out_of_memory, others))
