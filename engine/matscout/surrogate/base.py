"""What a surrogate is: a fit of the data that returns a belief about every point."""

from __future__ import annotations

from typing import Protocol, Self

from torch import Tensor


class FitFailed(RuntimeError):
    """The data could not be fitted (a covariance that no jitter mends). The caller falls back."""


class Posterior(Protocol):
    """A belief about one target. Units are the target's own; X is as it was given to `fit`.

    `loc` and `scale` are what the target was standardised by. Inside an optimiser work on
    `standardised`, which speaks of (y - loc) / scale: step sizes and tolerances then mean the same
    for meV and for years.
    """

    @property
    def loc(self) -> float: ...

    @property
    def scale(self) -> float: ...

    @property
    def standardised(self) -> Posterior: ...

    def mean_sd(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and sd of the noise-free value at each row: (…, d) -> (…), (…)."""

    def believe(self, X: Tensor) -> Self:
        """The belief once the rows of X, (p, d), have been measured and came out as expected.

        This is the kriging believer (Ginsbourger, Le Riche, Carraro 2010) with the hyperparameters
        kept: the mean stays, the sd shrinks. It stands for pending experiments.
        """


class Surrogate(Protocol):
    """Pure: the same data give the same posterior."""

    def fit(self, X: Tensor, Y: Tensor, Yvar: Tensor | None = None) -> Posterior:
        """X (n, d), Y (n, m), Yvar (n, m) squared standard errors; physical units, float64.

        Raises FitFailed. n = 0 gives the prior.
        """
