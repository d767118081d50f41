"""What networks are shown, by row number: columns of numbers, or crystals as graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from matscout.models.hyperparameters import MlpSettings
from matscout.models.mlp import Mlp
from matscout.models.passes import sent

_FAR = 10.0  # sd: a network goes on in a straight line, so that it is told no more than this


class Inputs(Protocol):
    """Rows numbered from 0. `GraphTable` is one, too."""

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Inputs:
        """The same rows for a network there."""

    def batch(self, rows: Tensor) -> Any:
        """What a network's `forward` takes for these rows, (b,), whose numbers are on the CPU."""


@dataclass(frozen=True)
class ColumnInputs:
    """A table of numbers, (n, d) float32."""

    X: Tensor

    @classmethod
    def of(cls, X: np.ndarray) -> ColumnInputs:
        """From (n, d) of any float; ValueError for another shape or a value that is not finite."""
        if np.ndim(X) != 2 or not np.isfinite(X).all():
            raise ValueError(f"columns must be (n, d) and finite, got shape {np.shape(X)}")
        return cls(torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)))

    def __len__(self) -> int:
        return len(self.X)

    def to(self, device: torch.device) -> ColumnInputs:
        return ColumnInputs(self.X.to(device))

    def batch(self, rows: Tensor) -> Tensor:
        return self.X[sent(rows, self.X.device)]


@dataclass(frozen=True)
class Chosen:
    """Some rows of other inputs, numbered anew."""

    inputs: Inputs
    rows: Tensor

    @classmethod
    def of(cls, inputs: Inputs, rows: np.ndarray) -> Chosen:
        return cls(inputs, torch.from_numpy(np.asarray(rows, dtype=np.int64)))

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> Chosen:
        return Chosen(self.inputs.to(device), self.rows)

    def batch(self, rows: Tensor) -> Any:
        return self.inputs.batch(self.rows[rows])


def inputs_of(X: Inputs | np.ndarray) -> Inputs:
    """Arrays (n, d) become columns; anything else is taken as it is."""
    return ColumnInputs.of(X) if isinstance(X, np.ndarray) else X


@dataclass(frozen=True)
class Scaled:
    """Standardises columns as the rows of `like` ask for; leaves graphs alone.

    A column that did not vary in `like` becomes zero: nothing was learned about it.
    """

    mean: Tensor | None
    spread: Tensor | None

    @classmethod
    def like(cls, inputs: Inputs) -> Scaled:
        """Fitted to these rows, which are to be the training rows alone."""
        if not len(inputs) or not isinstance(
            inputs.batch(torch.zeros(1, dtype=torch.int64)), Tensor
        ):
            return cls(None, None)
        exact = inputs.batch(torch.arange(len(inputs))).double()
        spread = exact.std(0, correction=0)
        # Below rounding noise of the column's level, the spread is that noise.
        varies = spread > 1e-6 * exact.abs().amax(0)
        return cls(exact.mean(0), torch.where(varies, spread, torch.inf))

    def __call__(self, inputs: Inputs) -> Inputs:
        if self.mean is None or self.spread is None:
            return inputs
        shown = inputs.batch(torch.arange(len(inputs))).double()
        inside = ((shown - self.mean) / self.spread).clamp(-_FAR, _FAR)
        return ColumnInputs(inside.float())


Maker = Callable[[Inputs, int], nn.Module]
"""(inputs, number of outputs) -> a fresh network; draws from torch's global generator."""


@dataclass(frozen=True)
class MlpMaker:
    """Multilayer perceptrons on columns."""

    settings: MlpSettings = field(default_factory=MlpSettings)

    def __call__(self, inputs: Inputs, outputs: int) -> nn.Module:
        width = inputs.batch(torch.zeros(1, dtype=torch.int64)).shape[1]
        return Mlp(width, outputs, self.settings)
