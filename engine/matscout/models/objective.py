"""From a network's raw outputs to a loss and back to predictions, fitted on training rows alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from matscout.errors import InputError
from matscout.models.batch_loss import BatchLoss
from matscout.models.hyperparameters import FitSettings
from matscout.models.imbalance.focal import focal
from matscout.models.imbalance.weights import bins_of, row_weights
from matscout.models.metrics import Metric, Task
from matscout.models.target_transform import TargetTransform

_LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": F.huber_loss,
}


class Objective(BatchLoss):
    """The targets `y`, (n,), of all rows, scaled by the mean and spread of the rows `train` only.

    Regression has one output; classification one logit per class, under focal loss if `loss` says so
    and cross-entropy otherwise. `transform` is none or one of TRANSFORMS (all but none are
    standardised as well). `labels` (n,) are classes, or bins of the target, for balanced batches.
    Weights, bins and transforms come from training rows; others have weight 1, which nothing uses.
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
        self.mean, self.spread = 0.0, 1.0
        own = row_weights(
            settings.weights, y[train], classes=task == "classification", bins=settings.weight_bins
        )
        self._weights: Tensor | None = None
        if own is not None:
            each = np.ones(len(y))
            each[train] = own
            self._weights = torch.as_tensor(each, dtype=torch.float32, device=device)
        if task == "classification":
            self._gamma = settings.focal_gamma if settings.loss == "focal" else None
            self.labels = np.asarray(y, dtype=np.int64)
            self.goal = torch.as_tensor(y, dtype=torch.int64, device=device)
            return
        if settings.loss == "focal":
            raise InputError("params.loss", "focal loss is for classes", "use mse, mae or huber")
        self._loss = _LOSSES[settings.loss]
        self.labels = np.zeros(len(y), dtype=np.int64)
        self.labels[train] = bins_of(y[train], settings.weight_bins)
        shown = self._shown(np.asarray(y, dtype=float), train)
        if transform != "none":
            self.mean = float(shown[train].mean())
            # A constant target has no spread: leave its unit alone rather than divide by zero.
            self.spread = float(shown[train].std()) or 1.0
        goal = (shown - self.mean) / self.spread
        self.goal = torch.as_tensor(goal, dtype=torch.float32, device=device)

    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Mean loss of `outputs`, (b, outputs), against the targets of `rows`, (b,)."""
        how = "mean" if self._weights is None else "none"
        if self.task == "regression":
            each = self._loss(outputs[:, 0], self.goal[rows], reduction=how)
        elif self._gamma is None:
            each = F.cross_entropy(outputs, self.goal[rows], reduction=how)
        else:
            each = focal(outputs, self.goal[rows], self._gamma)
        return each.mean() if self._weights is None else (each * self._weights[rows]).mean()

    def _shown(self, y: np.ndarray, train: np.ndarray) -> np.ndarray:
        """(n,) on the scale that is learned, before it is standardised."""
        if self.transform in ("none", "standard"):
            return y
        self._warp = TargetTransform(self.transform).fit(y[train][:, None])
        with np.errstate(
            invalid="ignore"
        ):  # rows that judge may have no root; they are not learned
            return self._warp.transform(y[:, None])[:, 0]

    def predictions(self, outputs: Tensor, metric: Metric) -> np.ndarray:
        """What `metric` sees, (b,): values in the data's own unit, labels, or scores."""
        raw = outputs.detach().double().cpu()
        if metric.sees == "value":
            values = raw[:, 0].numpy() * self.spread + self.mean
            if self.transform in ("none", "standard"):
                return values
            return self._warp.inverse_transform(values[:, None])[:, 0]
        if metric.sees == "score":
            return torch.softmax(raw, dim=1)[:, 1].numpy()
        labels = raw.argmax(dim=1).double()
        labels[~raw.isfinite().all(dim=1)] = float("nan")  # else a NaN would win the argmax unseen
        return labels.numpy()
