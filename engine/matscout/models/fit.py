"""Fitting a network by minibatches, so that it can be put away and taken up again at any batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau

from matscout.models import training_state
from matscout.models.hyperparameters import FitSettings
from matscout.models.objective import Objective

Forward = Callable[[nn.Module, Tensor], Tensor]
"""(network, row numbers (b,)) -> raw outputs (b, k)."""

JUDGED_AT_ONCE = 512  # rows in a batch without gradients: some MB for crystals of ten atoms


class Fit:
    """One network on the training rows of one fold.

    The cursor is (epoch, position): epochs done, and batches done of the one that is running, whose
    order of rows is drawn when it begins. Everything that is random comes from `seed`.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        forward: Forward,
        objective: Objective,
        settings: FitSettings,
        rows: np.ndarray,
        *,
        epochs: int,
        seed: np.random.SeedSequence,
        device: torch.device,
    ) -> None:
        """`make` builds the network; `rows` are the training rows, (n,), two at least."""
        for_torch, for_order = seed.spawn(2)
        self.stream = training_state.RandomStream(int(for_torch.generate_state(1)[0]), device)
        self.generator = np.random.default_rng(for_order)
        with self.stream:
            self.network = make().to(device)
        self.optimizer = _optimizer(self.network, settings)
        self.scheduler = _scheduler(self.optimizer, settings, epochs)
        self.losses: list[float] = []
        self._forward, self._objective, self._settings = forward, objective, settings
        self._rows, self._device = rows, device
        self._bounds = _batch_bounds(len(rows), settings.batch_size)
        self._position = 0
        self._order = np.zeros(0, dtype=np.int64)
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=device)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.losses)

    @property
    def moves(self) -> int:
        """How often the cursor has moved: updates and ends of epochs. Never the same twice."""
        return self.epoch * (len(self._bounds) + 1) + self._position

    def run_epoch(self) -> Iterator[None]:
        """Finish the epoch that is running, or run the next. Pauses after each update."""
        if not len(self._order):
            self._order = self.generator.permutation(self._rows)
        while self._position < len(self._bounds):
            start, end = self._bounds[self._position]
            self._update(torch.from_numpy(self._order[start:end]).to(self._device))
            self._position += 1
            yield
        loss = float(self._loss_sum) / len(self._rows)
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(loss)
        elif self.scheduler is not None:
            with warnings.catch_warnings():
                # Taken up again after an epoch's last batch, torch misses a step of the optimiser
                # that was made before; nothing of the schedule is skipped.
                warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
                self.scheduler.step()
        self.losses.append(loss)
        self._order = np.zeros(0, dtype=np.int64)
        self._position = 0
        self._loss_sum.zero_()

    def outputs(self, rows: np.ndarray) -> Tensor:
        """Raw outputs for `rows`, (b, k), without gradients and with dropout off."""
        self.network.eval()
        with torch.no_grad():
            parts = torch.from_numpy(rows).to(self._device).split(JUDGED_AT_ONCE)
            found = torch.cat([self._forward(self.network, part) for part in parts])
        self.network.train()
        return found

    def capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON that `restore` goes on from; copies, so training may go on meanwhile."""
        arrays, state = training_state.capture(
            self.network, self.optimizer, self.scheduler, self.stream, self.generator
        )
        arrays["order"] = self._order.copy()
        state |= {
            "losses": list(self.losses),
            "position": self._position,
            "loss_sum": float(self._loss_sum),
        }
        return arrays, state

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Be where `capture` was. Raises ValueError where that was another network or fold."""
        order, position = arrays.get("order"), state.get("position")
        if order is None or len(order) not in (0, len(self._rows)) or not isinstance(position, int):
            raise ValueError("holds no cursor of this fold")
        if not np.array_equal(np.sort(order), np.sort(self._rows)[: len(order)]):
            raise ValueError("its cursor runs through other rows")
        training_state.restore(
            arrays, state, self.network, self.optimizer, self.scheduler, self.stream, self.generator
        )
        self._order, self._position = np.asarray(order).copy(), position
        self.losses = [float(loss) for loss in state["losses"]]
        self._loss_sum.fill_(float(state["loss_sum"]))

    def _update(self, rows: Tensor) -> None:
        with self.stream:
            self.optimizer.zero_grad(set_to_none=True)
            loss = self._objective.loss(self._forward(self.network, rows), rows)
            loss.backward()
            if self._settings.clip > 0:
                nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.clip)
            self.optimizer.step()
        # Summed where it lives: reading it out would make a GPU wait after each batch.
        self._loss_sum += loss.detach().double() * len(rows)


def _batch_bounds(n: int, size: int) -> list[tuple[int, int]]:
    """Ends of the batches. A last batch of one row joins its neighbour: it may be a crystal of one
    atom, and batch normalisation has no spread of one value.
    """
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))


def _optimizer(network: nn.Module, settings: FitSettings) -> Optimizer:
    if settings.optimizer == "sgd":
        return SGD(
            network.parameters(),
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
    return AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)


def _scheduler(optimizer: Optimizer, settings: FitSettings, epochs: int) -> LRScheduler | None:
    if settings.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=epochs)
    if settings.schedule == "plateau":
        return ReduceLROnPlateau(optimizer, factor=0.2, patience=10)
    return None
