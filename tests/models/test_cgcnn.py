"""The crystal-graph network: its formula, and the symmetries that physics asks for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch

from matscout.models.cgcnn import Cgcnn, GaussianDistances
from matscout.models.crystal_graph import GraphTable, crystal_graph
from matscout.models.hyperparameters import CgcnnSettings, GraphSettings

SETTINGS = CgcnnSettings(atom_features=8, convolutions=2, head_features=8, gaussians=12)
GRAPH = GraphSettings(cutoff_angstrom=5.0, max_neighbors=10)


def crystals() -> list[Structure]:
    rng = np.random.default_rng(5)
    made = [
        Structure(
            Lattice(np.eye(3) * 4.5 + rng.uniform(-0.5, 0.5, (3, 3))),
            rng.choice(["Na", "Cl", "O", "Ti"], n),
            rng.uniform(0, 1, (n, 3)),
        )
        for n in (1, 4, 2, 3)
    ]
    lonely = Structure(Lattice.cubic(20.0), ["He", "Ar"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return [*made, lonely]


def network(**changes: object) -> Cgcnn:
    torch.manual_seed(0)
    settings = CgcnnSettings(
        **{"atom_features": 8, "convolutions": 2, "head_features": 8, "gaussians": 12, **changes}
    )
    return Cgcnn(settings, GRAPH.cutoff_angstrom, outputs=2).double().eval()


def predicted(net: Cgcnn, *structures: Structure) -> torch.Tensor:
    table = GraphTable([crystal_graph(s, GRAPH) for s in structures])
    table.distance = table.distance.double()
    with torch.no_grad():
        return net(table.batch(torch.arange(len(structures))))


def test_a_batch_equals_torch_geometrics() -> None:
    graphs = [crystal_graph(s, GRAPH) for s in crystals()]
    table = GraphTable(graphs)
    assert len(table) == len(graphs)
    for rows in ([0], [3, 1], [4, 0, 4, 2], list(range(5))):
        mine = table.batch(torch.tensor(rows))
        theirs = Batch.from_data_list([graphs[row] for row in rows])
        for name in ("z", "edge_index", "distance", "batch"):
            assert torch.equal(mine[name], theirs[name]), (rows, name)
        assert mine.num_graphs == theirs.num_graphs and mine.num_nodes == theirs.num_nodes


def test_gaussians() -> None:
    basis = GaussianDistances(6.0, 7)
    found = basis(torch.tensor([0.0, 2.5, 6.0]))
    expected = np.exp(-((np.array([[0.0], [2.5], [6.0]]) - np.arange(7.0)) ** 2))
    assert np.allclose(found, expected, atol=1e-7)
    many = GaussianDistances(6.0, 64)(torch.linspace(0, 8, 999))
    assert many[many > 0].min() > torch.finfo(torch.float32).tiny, "subnormal numbers are slow"


def test_a_convolution_is_equation_5() -> None:
    """v_i + sum_jk sigmoid(z W_f + b_f) * softplus(z W_s + b_s), with z = v_i, v_j, u_ijk."""
    net = network(norm="none", convolutions=1)
    graph = crystal_graph(crystals()[1], GRAPH)
    conv = net.convolutions[0]
    with torch.no_grad():
        atoms = net.embedding(graph.z)
        bonds = net.distances(graph.distance.double())
        expected = atoms.clone()
        for edge, (j, i) in enumerate(graph.edge_index.T.tolist()):
            z = torch.cat([atoms[i], atoms[j], bonds[edge]])
            gate = torch.sigmoid(conv.lin_f.weight @ z + conv.lin_f.bias)
            core = torch.nn.functional.softplus(conv.lin_s.weight @ z + conv.lin_s.bias)
            expected[i] += gate * core
        assert torch.allclose(conv(atoms, graph.edge_index, bonds), expected, atol=1e-12)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_the_prediction_depends_on_the_crystal_alone(norm: str) -> None:
    net = network(norm=norm)
    perovskite = Structure(
        Lattice.cubic(4.1),
        ["Ba", "Ti", "O", "O", "O"],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    )
    for structure in (*crystals()[:4], perovskite):
        value = predicted(net, structure)
        flipped = Structure.from_sites(list(structure)[::-1])
        rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
        turned = Structure(
            Lattice(structure.lattice.matrix @ rotation), structure.species, structure.frac_coords
        )
        moved = structure.copy()
        moved.translate_sites(list(range(len(moved))), [0.31, -0.12, 0.77])
        for other in (flipped, turned, moved, structure * (2, 1, 1), structure * (1, 2, 2)):
            assert torch.allclose(predicted(net, other), value, atol=1e-6)
    together = predicted(net, *crystals())
    alone = torch.cat([predicted(net, s) for s in crystals()])
    assert torch.allclose(together, alone, atol=1e-12)
    assert len(torch.unique(together[:, 0])) == 5


def test_atoms_without_neighbours_and_no_convolutions() -> None:
    assert torch.isfinite(predicted(network(), crystals()[-1])).all()
    assert predicted(network(convolutions=0), *crystals()).shape == (5, 2)
