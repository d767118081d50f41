"""One member of an ensemble: a network that is trained by a job and asked by its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from matscout.models.batch_loss import BatchLoss
from matscout.models.fit import Fit
from matscout.models.hyperparameters import FitSettings, MlpSettings
from matscout.models.mlp import Mlp

Weights = Mapping[str, np.ndarray]

_CPU = torch.device("cpu")
_AT_ONCE = 20_000  # rows of one forward pass: with 64 features, 5 MB a layer


@dataclass(frozen=True)
class MemberJob:
    """Everything that training a member depends on.

    X (n, d) float32 and y (n,) standardised, n >= 2; `fraction` of the trainer's epochs, going on
    from the weights `start`, from a fresh network if it is empty.
    """

    trainer: Member
    X: np.ndarray
    y: np.ndarray
    seed: int
    fraction: float
    start: Weights


class Member(Protocol):
    """Pure, both of them; plain data, so that jobs can travel."""

    def train(self, job: MemberJob) -> Weights: ...

    def predict(self, weights: Weights, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and own variance (0 if it has none): (b, d) float32 -> (b,), (b,)."""


def run_job(job: MemberJob) -> Weights:
    """What executors are given to map."""
    return job.trainer.train(job)


@dataclass(frozen=True)
class MlpMember:
    """A multilayer perceptron (models/mlp.py); a `Member`.

    heteroscedastic  predict a variance beside the mean, by the Gaussian likelihood (Nix and
                     Weigend 1994); with dozens of rows it soon explains errors as noise
    """

    epochs: int = 150
    network: MlpSettings = field(default_factory=MlpSettings)
    settings: FitSettings = field(default_factory=lambda: FitSettings(lr=5e-3, weight_decay=1e-2))
    heteroscedastic: bool = False

    def train(self, job: MemberJob) -> Weights:
        epochs = max(1, round(self.epochs * job.fraction))
        X = torch.from_numpy(job.X)
        fit = Fit(
            lambda: self._started(job),
            lambda network, rows: network(X[rows]),
            _Loss(job.y, self.heteroscedastic),
            self.settings,
            np.arange(len(job.y)),
            epochs=epochs,
            seed=np.random.SeedSequence(job.seed),
            device=_CPU,
        )
        while fit.epoch < epochs:
            for _ in fit.run_epoch():
                pass
        state = fit.network.state_dict()
        return {name: tensor.detach().numpy().copy() for name, tensor in state.items()}

    def predict(self, weights: Weights, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.device("meta"):  # nothing is drawn for weights that are replaced at once
            network = self._blank(X.shape[1])
        network.load_state_dict(_tensors(weights), assign=True)
        network.eval()
        with torch.no_grad():
            parts = [network(part) for part in torch.from_numpy(X).split(_AT_ONCE)]
            out = torch.cat(parts).double() if parts else torch.zeros(0, 2).double()
        own = _variance(out) if self.heteroscedastic else torch.zeros(len(out)).double()
        return out[:, 0].numpy(), own.numpy()

    def _started(self, job: MemberJob) -> nn.Module:
        network = self._blank(job.X.shape[1])
        if job.start:
            network.load_state_dict(_tensors(job.start))
        return network

    def _blank(self, inputs: int) -> nn.Module:
        return Mlp(inputs, 2 if self.heteroscedastic else 1, self.network)


class _Loss(BatchLoss):
    """Squared error, or minus the Gaussian log likelihood."""

    def __init__(self, y: np.ndarray, heteroscedastic: bool) -> None:
        self.goal = torch.from_numpy(y.astype(np.float32))
        self.of: Callable[[Tensor, Tensor], Tensor] = _nll if heteroscedastic else _squared

    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        return self.of(outputs, self.goal[rows])


def _squared(outputs: Tensor, goal: Tensor) -> Tensor:
    return F.mse_loss(outputs[:, 0], goal)


def _nll(outputs: Tensor, goal: Tensor) -> Tensor:
    """Lakshminarayanan et al. 2017, equation 1, without its constant."""
    variance = _variance(outputs)
    return 0.5 * (variance.log() + (goal - outputs[:, 0]).square() / variance).mean()


def _variance(outputs: Tensor) -> Tensor:
    """Positive, no less than 1e-4 of the target's, and 0.1 where the network says 0."""
    return F.softplus(outputs[:, 1] + math.log(math.expm1(0.1))) + 1e-4


def _tensors(weights: Weights) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
