"""What a fit needs of an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor


class BatchLoss(ABC):
    """A mean loss over the rows of a batch, which may go through the network in parts.

    `labels`, (n,), are the classes or bins of all rows; only balanced batches need them.
    """

    labels: np.ndarray

    @abstractmethod
    def loss(self, outputs: Tensor, rows: Tensor) -> Tensor:
        """Of `outputs`, (b, outputs), against the targets of `rows`, (b,)."""

    def part_loss(self, outputs: Tensor, part: Tensor, batch: Tensor) -> Tensor:
        """What `part`, some rows of `batch`, adds to its loss: over all parts the sum is that."""
        return self.loss(outputs, part) * (len(part) / len(batch))
