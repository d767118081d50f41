"""Several targets of one network, each with a loss, a scale and gaps of its own (`multitask.py` for what
is fitted epoch by epoch)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from matscout.models.hyperparameters import FitSettings, GraphTaskSettings
from matscout.models.metrics import Metric
from matscout.models.objective import Objective


class TaskObjective(Objective):
    """Numbers Y (n, m), NaN where not measured; the first column is the target, and `predictions` are
    its own. Scales and weights of a task come from the rows of `train` that have it, two at least.
    InputError for batches that balance the target's bins.
    """

    def __init__(
        self,
        Y: np.ndarray,
        train: np.ndarray,
        settings: FitSettings,
        device: torch.device,
        how: GraphTaskSettings,
    ) -> None:
        how.check(settings)
        known = np.isfinite(Y)
        self.tasks = [
            Objective("regression", np.nan_to_num(y), train[there[train]], settings, device)
            for y, there in zip(Y.T, known.T, strict=True)
        ]
        self.task, self.outputs = "regression", len(self.tasks)
        self._known = torch.as_tensor(known, device=device)
        self._weights_of = [1.0, *[how.task_weight] * (len(self.tasks) - 1)]
        self._apart = how.surgery == "pcgrad"

    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """(b, m) -> the mean loss of each task over the rows that have it, (m,), for PCGrad; or their
        weighted sum, (). A task that no row has contributes 0.
        """
        return self.part_loss(outputs, rows, rows)

    def part_loss(self, outputs: Tensor, part: Tensor, batch: Tensor) -> Tensor:
        """A task counts by those of its values in `batch` that are in `part`."""
        known = self._known[part]
        shares = known.sum(0) / self._known[batch].sum(0).clamp_min(1)
        each = []
        for task, (own, weight) in enumerate(zip(self.tasks, self._weights_of, strict=True)):
            there = known[:, task]
            said = outputs[there, task : task + 1]
            # The empty sum keeps the task in the graph, so that it has a gradient: of zeros.
            one = own.loss(said, part[there]) * shares[task] if len(said) else said.sum()
            each.append(weight * one)
        losses = torch.stack(each)
        return losses if self._apart else losses.sum()

    def predictions(self, outputs: Tensor, metric: Metric) -> np.ndarray:
        return self.of_task(0, outputs, metric)

    def of_task(self, task: int, outputs: Tensor, metric: Metric) -> np.ndarray:
        """What `metric` sees of a task (0: the target), (b,)."""
        return self.tasks[task].predictions(outputs[:, task : task + 1], metric)
