"""From a network's raw outputs to a loss and back to predictions, fitted on training rows alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from matscout.models.hyperparameters import FitSettings
from matscout.models.metrics import Metric, Task

_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": F.huber_loss,
}


class Objective:
    """The targets `y`, (n,), of all rows, scaled by the mean and spread of the rows `train` only.

    Regression has one output; classification one logit per class, under cross-entropy (`loss` is
    then ignored). `transform` is none, standard or log1p (log1p is standardised as well).
    """

    def __init__(
        self,
        task: Task,
        y: np.ndarray,
        train: np.ndarray,
        settings: FitSettings,
        device: torch.device,
        *,
        classes: int = 0,
        transform: str = "standard",
    ) -> None:
        self.task, self.transform = task, transform
        self.outputs = classes if task == "classification" else 1
        self._loss = _LOSSES[settings.loss]
        self.mean, self.spread = 0.0, 1.0
        if task == "classification":
            self.goal = torch.as_tensor(y, dtype=torch.int64, device=device)
            return
        shown = np.log1p(y) if transform == "log1p" else y
        if transform != "none":
            self.mean = float(shown[train].mean())
            # A constant target has no spread: leave its unit alone rather than divide by zero.
            self.spread = float(shown[train].std()) or 1.0
        goal = (shown - self.mean) / self.spread
        self.goal = torch.as_tensor(goal, dtype=torch.float32, device=device)

    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Mean loss of `outputs`, (b, outputs), against the targets of `rows`, (b,)."""
        if self.task == "classification":
            return F.cross_entropy(outputs, self.goal[rows])
        return self._loss(outputs[:, 0], self.goal[rows])

    def predictions(self, outputs: Tensor, metric: Metric) -> np.ndarray:
        """What `metric` sees, (b,): values in the data's own unit, labels, or scores."""
        raw = outputs.detach().double().cpu()
        if metric.sees == "value":
            values = raw[:, 0].numpy() * self.spread + self.mean
            return np.expm1(values) if self.transform == "log1p" else values
        if metric.sees == "score":
            return torch.softmax(raw, dim=1)[:, 1].numpy()
        labels = raw.argmax(dim=1).double()
        labels[~raw.isfinite().all(dim=1)] = float("nan")  # else a NaN would win the argmax unseen
        return labels.numpy()
