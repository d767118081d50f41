"""Rows as networks see them: inputs and target scaled by these rows alone, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from matscout.models.inputs import Inputs, Scaled, inputs_of
from matscout.models.uncertainty.belief import Belief, check_rows
from matscout.surrogate.scaling import Standard


@dataclass(frozen=True)
class Units:
    """How new rows are scaled, and beliefs unscaled."""

    scaled: Scaled
    target: Standard

    def inside(self, X: Inputs | np.ndarray) -> Inputs:
        return self.scaled(inputs_of(X))

    def belief(self, mean: np.ndarray, epistemic: np.ndarray, aleatoric: np.ndarray) -> Belief:
        """From variances of the standardised target, each (b,)."""
        inside = Belief(mean, np.sqrt(epistemic), np.sqrt(aleatoric))
        return inside.in_units(self.target.loc, self.target.scale)


@dataclass(frozen=True)
class Training:
    """Scaled inputs and the standardised target (n,) of the rows that a model is fitted to."""

    inputs: Inputs
    goal: np.ndarray
    units: Units

    @classmethod
    def of(cls, X: Inputs | np.ndarray, y: np.ndarray) -> Training:
        """ValueError as `check_rows` says."""
        inputs = inputs_of(X)
        target = torch.from_numpy(check_rows(inputs, y))
        units = Units(Scaled.like(inputs), Standard.of(target))
        return cls(units.scaled(inputs), units.target(target).numpy(), units)
