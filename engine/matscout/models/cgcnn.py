"""The crystal-graph convolutional network of Xie & Grossman, PRL 120, 145301 (2018)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import CGConv, global_mean_pool

from matscout.models.hyperparameters import CgcnnSettings

ELEMENTS = 119  # atomic numbers 0 to 118

FAINT = 30.0
"""Gaussians below exp(-30) = 1e-13 count as zero. They are nothing beside a float32's 1e-7, but
left alone they fade into subnormal numbers, with which a CPU multiplies matrices 28 times slower
(measured: the backward pass of a whole epoch took four times as long)."""


class GaussianDistances(nn.Module):
    """(E,) distances in angstrom -> (E, k): exp(-(d - mu)^2 / s^2), with mu evenly from 0 to the
    cut-off and s their spacing: the bond features u of the paper's crystal graph, as its code has
    them.
    """

    def __init__(self, cutoff_angstrom: float, count: int) -> None:
        super().__init__()
        self.register_buffer("centers", torch.linspace(0.0, cutoff_angstrom, count))
        self.spacing = cutoff_angstrom / (count - 1)

    def forward(self, distance: Tensor) -> Tensor:
        exponent = ((distance[:, None] - self.centers) / self.spacing) ** 2
        return torch.where(exponent < FAINT, torch.exp(-exponent.clamp(max=FAINT)), 0.0)


class CrystalBody(nn.Module):
    """A batch of B crystals with N atoms and E bonds -> (B, width), what a head is shown.

    Atoms start as a learned vector for each element. Each convolution is Eq. (5) of the paper,
    which is `CGConv`; pooling is Eq. (2) with the normalised sum, so the features are intensive:
    those of a supercell are those of its cell. This is what transfer keeps of a trained network.
    """

    def __init__(self, settings: CgcnnSettings, cutoff_angstrom: float) -> None:
        super().__init__()
        self.width = settings.atom_features
        self.embedding = nn.Embedding(ELEMENTS, self.width)
        self.distances = GaussianDistances(cutoff_angstrom, settings.gaussians)
        self.convolutions = nn.ModuleList(
            CGConv(self.width, dim=settings.gaussians, batch_norm=settings.norm == "batch")
            for _ in range(settings.convolutions)
        )

    def forward(self, data: Data) -> Tensor:
        atoms = self.embedding(data.z)  # (N, F)
        bonds = self.distances(data.distance)  # (E, k)
        for convolution in self.convolutions:
            atoms = convolution(atoms, data.edge_index, bonds)  # (N, F)
        return global_mean_pool(atoms, data.batch, data.num_graphs)  # (B, F)


class Cgcnn(CrystalBody):
    """A body and a multilayer perceptron on it, or what `make_head` makes: (B, outputs), intensive as
    the body is."""

    def __init__(
        self,
        settings: CgcnnSettings,
        cutoff_angstrom: float,
        outputs: int = 1,
        make_head: Callable[[CgcnnSettings, int], nn.Module] | None = None,
    ) -> None:
        super().__init__(settings, cutoff_angstrom)
        self.head = (make_head or crystal_head)(settings, outputs)

    def forward(self, data: Data) -> Tensor:
        return self.head(super().forward(data))  # (B, outputs)


def crystal_head(settings: CgcnnSettings, outputs: int) -> nn.Sequential:
    """What a body's features are shown to: (B, atom_features) -> (B, outputs)."""
    width = settings.atom_features
    layers: list[nn.Module] = []
    for _ in range(settings.head_layers):
        layers += [nn.Linear(width, settings.head_features), nn.Softplus()]
        layers += [nn.Dropout(settings.dropout)]
        width = settings.head_features
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def blank_body(settings: CgcnnSettings, cutoff_angstrom: float) -> CrystalBody:
    """A body that is going to be filled; torch's global generator stays where it is."""
    with torch.random.fork_rng(devices=[]):
        return CrystalBody(settings, cutoff_angstrom)


def body_from(
    weights: Mapping[str, Tensor], settings: CgcnnSettings, cutoff_angstrom: float
) -> CrystalBody:
    """A body with the weights and running means of a `Cgcnn`, whose head is dropped. ValueError where
    its layers have another shape."""
    body = blank_body(settings, cutoff_angstrom)
    try:
        body.load_state_dict({k: v for k, v in weights.items() if not k.startswith("head.")})
    except RuntimeError as error:
        raise ValueError(f"does not fit this network: {error!s:.200}") from None
    return body
