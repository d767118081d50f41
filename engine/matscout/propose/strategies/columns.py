"""A surrogate that sees some of the columns, so that several can be asked about one table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from matscout.surrogate.base import Surrogate
from matscout.surrogate.held_out import HeldOut, held_out


@dataclass(frozen=True)
class OnColumns:
    """`surrogate`, fitted to X[:, columns]; a `Surrogate`."""

    surrogate: Surrogate
    columns: slice

    def fit(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> ColumnsPosterior:
        part = X[:, self.columns]
        fitted = self.surrogate.fit(part, Y, Yvar)
        return ColumnsPosterior(fitted, self, (part, Y, Yvar))


@dataclass(frozen=True)
class ColumnsPosterior:
    """`inner`, which is told of some columns only. `data` is what it was fitted to."""

    inner: Any
    of: OnColumns
    data: tuple[Tensor, Tensor, Tensor | None]

    @property
    def loc(self) -> float:
        return float(self.inner.loc)

    @property
    def scale(self) -> float:
        return float(self.inner.scale)

    @property
    def noise_here(self) -> float:
        return float(getattr(self.inner, "noise_here", 0.0))

    @property
    def standardised(self) -> ColumnsPosterior:
        return replace(self, inner=self.inner.standardised)

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        mean, sd = self.inner.mean_sd(X[..., self.of.columns])
        return mean, sd

    def believe(self, X: Tensor) -> ColumnsPosterior:
        return replace(self, inner=self.inner.believe(X[..., self.of.columns]))

    @cached_property
    def held_out(self) -> HeldOut:
        """By the cheapest honest way that the surrogate has (surrogate/held_out.py)."""
        return held_out(self.of.surrogate, self.inner, *self.data)
