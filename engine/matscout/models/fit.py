"""Fitting a network by minibatches, so that it can be put away and taken up again at any batch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau

from matscout.models import pcgrad, training_state
from matscout.models.batch_loss import BatchLoss
from matscout.models.hyperparameters import FitSettings
from matscout.models.imbalance.batches import balanced_order, balances
from matscout.models.passes import Passes, out_of_memory, sent, without_gradients

Forward = Callable[[nn.Module, Tensor], Tensor]
"""(network, row numbers (b,) on the CPU) -> raw outputs (b, k) where the network is."""

log = logging.getLogger(__name__)


class Fit:
    """One network on the training rows of one fold.

    The cursor is (epoch, position): epochs done, and batches done of the one that is running, whose
    order of rows is drawn when it begins. Everything that is random comes from `seed`.

    Out of memory, a step is made again in parts of half as many rows, which add up to the same
    gradient; parts stay small from there on, and `capture` remembers them. An objective whose loss
    is a vector, one entry a task, has the tasks' gradients made to agree by PCGrad.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        forward: Forward,
        objective: BatchLoss,
        settings: FitSettings,
        rows: np.ndarray,
        *,
        epochs: int,
        seed: np.random.SeedSequence,
        device: torch.device,
        passes: Passes | None = None,
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
        self._rows, self._device, self._epochs = rows, device, epochs
        self._bounds = _batch_bounds(len(rows), settings.batch_size)
        self._position = 0
        self._order = np.zeros(0, dtype=np.int64)
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self._passes = passes or Passes()
        self._mixed = self._passes.mixed and device.type == "cuda"
        self.rows_seen = 0  # by this object: what was restored is not counted
        self._at_once = 0  # rows in a part, 0: no bound; halved whenever memory runs out

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
            self._order = self._drawn()
        while self._position < len(self._bounds):
            start, end = self._bounds[self._position]
            self._update(torch.from_numpy(self._order[start:end]))
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
        """Raw outputs for `rows`, (b, k), without gradients, with dropout off and in full precision:
        bfloat16 has eight bits, and a prediction is not averaged as gradients are."""
        self.network.eval()
        own = torch.tensor(rows)  # rows may not be writable
        said = without_gradients(partial(self._forward, self.network), own, self._passes)
        self.network.train()
        return said

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
            "at_once": self._at_once,
        }
        return arrays, state

    def restore(self, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Be where `capture` was. Raises ValueError where that was another network or fold."""
        order, position = arrays.get("order"), state.get("position")
        if order is None or len(order) not in (0, len(self._rows)) or not isinstance(position, int):
            raise ValueError("holds no cursor of this fold")
        again = self._settings.batches != "shuffled"  # then a row may come twice
        same = np.isin(order, self._rows).all() if again else _permuted(order, self._rows)
        if not same:
            raise ValueError("its cursor runs through other rows")
        training_state.restore(
            arrays, state, self.network, self.optimizer, self.scheduler, self.stream, self.generator
        )
        self._order, self._position = np.asarray(order).copy(), position
        self.losses = [float(loss) for loss in state["losses"]]
        self._loss_sum.fill_(float(state["loss_sum"]))
        self._at_once = int(state.get("at_once", 0))  # checkpoints of old do not say

    def _drawn(self) -> np.ndarray:
        """The rows of the epoch that begins, in their order."""
        if balances(self._settings.batches, self.epoch, self._epochs):
            labels = self._objective.labels[self._rows]
            return balanced_order(self._rows, labels, self.generator)
        return self.generator.permutation(self._rows)

    def _update(self, rows: Tensor) -> None:
        with self.stream:
            loss = self._gradient(rows)
            if self._settings.clip > 0:
                nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.clip)
            self.optimizer.step()
        # Summed where it lives: reading it out would make a GPU wait after each batch.
        self._loss_sum += loss.double() * len(rows)
        self.rows_seen += len(rows)

    def _gradient(self, rows: Tensor) -> Tensor:
        """Fill `.grad` for the batch, in smaller parts if memory runs out; the mean loss.

        A failed try has moved the running means of normalisation and the random stream: both are
        put back.
        """
        while True:
            buffers = [buffer.clone() for buffer in self.network.buffers()]
            random, orders = self.stream.now(), self.generator.bit_generator.state
            self.optimizer.zero_grad(set_to_none=True)
            try:
                return self._accumulated(rows)
            except Exception as error:
                if not out_of_memory(error) or self._at_once == 1 or len(rows) == 1:
                    raise
                self._at_once = max(1, min(self._at_once or len(rows), len(rows)) // 2)
            log.warning("out of memory: parts of %d rows from here on", self._at_once)
            with torch.no_grad():
                for buffer, before in zip(self.network.buffers(), buffers, strict=True):
                    buffer.copy_(before)
            self.stream.put_back(random)
            self.generator.bit_generator.state = orders
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _accumulated(self, rows: Tensor) -> Tensor:
        """The gradients of the parts of `rows`, added up; the same of their losses."""
        sums: list[Tensor] = []
        tasks: list[Tensor] = []  # one flat gradient for each, where the loss is a vector
        known = [p for p in self.network.parameters() if p.requires_grad]
        parts = self._passes.parts(rows, self._at_once)
        there = [sent(part, self._device) for part in parts]
        batch = torch.cat(there) if len(there) > 1 else there[0]
        for part, own in zip(parts, there, strict=True):
            loss = self._objective.part_loss(self._said(part), own, batch)
            if loss.dim():
                each = [
                    pcgrad.flat(
                        torch.autograd.grad(one, known, retain_graph=True, allow_unused=True), known
                    )
                    for one in loss
                ]
                tasks = [a + b for a, b in zip(tasks, each, strict=True)] if tasks else each
            else:
                loss.backward()
            sums.append(loss.detach().sum())
        if tasks:
            pcgrad.put(pcgrad.projected(tasks, self.generator), known)
        return torch.stack(sums).sum() if len(sums) > 1 else sums[0]

    def _said(self, rows: Tensor) -> Tensor:
        """Outputs for one part, (b, k), as float32."""
        if not self._mixed:
            return self._forward(self.network, rows)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            outputs = self._forward(self.network, rows)
        return outputs.float()


def _permuted(order: np.ndarray, rows: np.ndarray) -> bool:
    """Whether `order` is all of `rows` in some order, or nothing."""
    return np.array_equal(np.sort(order), np.sort(rows)[: len(order)])


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
