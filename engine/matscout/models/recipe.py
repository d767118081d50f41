"""How one network is trained on all rows of some inputs, in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from matscout.models.batch_loss import BatchLoss
from matscout.models.fit import Fit
from matscout.models.hyperparameters import FitSettings
from matscout.models.inputs import Inputs, Maker, MlpMaker

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs (b, k), standardised targets (b, …)) -> mean loss."""


def squared(outputs: Tensor, goal: Tensor) -> Tensor:
    """Of the first output, (b, k), against (b,)."""
    return F.mse_loss(outputs[:, 0], goal)


AT_ONCE = 512  # rows of one pass without gradients


@dataclass(frozen=True)
class Recipe:
    """A network and how it is fitted.

    The default step and decay are those of the ensembles' members (surrogate/member.py).
    """

    make: Maker = field(default_factory=MlpMaker)
    epochs: int = 150
    settings: FitSettings = field(default_factory=lambda: FitSettings(lr=5e-3, weight_decay=1e-2))
    device: str = "cpu"

    def trained(
        self,
        inputs: Inputs,
        goal: np.ndarray,
        loss: Loss,
        outputs: int,
        seed: np.random.SeedSequence,
        *,
        rows: np.ndarray | None = None,
    ) -> nn.Module:
        """Fitted to `rows` (all, if None; repeats allowed) of inputs and goal (n, …); in `eval`."""
        device = torch.device(self.device)
        there = inputs.to(device)
        chosen = np.arange(len(inputs)) if rows is None else np.asarray(rows)
        if len(chosen) < 2:
            chosen = np.repeat(chosen, 2)  # a batch needs two
        fit = Fit(
            lambda: self.make(inputs, outputs),
            lambda network, some: network(there.batch(some)),
            _Against(goal, loss, self.device),
            self.settings,
            chosen,
            epochs=self.epochs,
            seed=seed,
            device=device,
        )
        while fit.epoch < self.epochs:
            for _ in fit.run_epoch():
                pass
        return fit.network.eval()


class _Against(BatchLoss):
    """A loss against a goal."""

    def __init__(self, goal: np.ndarray, loss: Loss, device: str) -> None:
        self.goal = torch.as_tensor(np.asarray(goal, dtype=np.float32), device=device)
        self.of = loss

    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        return self.of(outputs, self.goal[rows])


def outputs_of(network: nn.Module, inputs: Inputs) -> Tensor:
    """(n, k) float64 on the CPU, without gradients; the network stays in the mode that it is in."""
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    there = inputs.to(device)
    with torch.no_grad():
        rows = torch.arange(len(inputs))
        parts = [network(there.batch(some)) for some in rows.split(AT_ONCE)]
        return torch.cat(parts).double().cpu()


def penultimate_of(network: nn.Module, inputs: Inputs) -> Tensor:
    """What the last linear layer is shown, (n, w) float64: the features that training has made."""
    last = last_linear(network)
    seen: list[Tensor] = []

    def listen(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen.append(given[0].detach().double().cpu())

    handle = last.register_forward_pre_hook(listen)
    try:
        outputs_of(network, inputs)
    finally:
        handle.remove()
    return torch.cat(seen)


def last_linear(network: nn.Module) -> nn.Linear:
    """The linear layer that comes last in the order of definition. ValueError without one."""
    found = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not found:
        raise ValueError("this network has no linear layer")
    return found[-1]
