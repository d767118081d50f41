"""A surrogate whose hyperparameters may be chosen anew while a campaign goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.surrogate.crps import crps
from matscout.surrogate.ensemble import Executor
from matscout.surrogate.held_out import HeldOut
from matscout.trial import Params

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """What was measured: X (n, d), Y (n, 1) standardised, more is better, Yvar (n, 1) with NaN where
    unknown."""

    X: Tensor
    Y: Tensor
    Yvar: Tensor


Judge = Callable[[Params, Rows, int, Executor | None], HeldOut]
"""(hyperparameters, rows, seed, where networks are trained) -> what a surrogate that has them says of
each row by parts that have not seen it; NaN of a row that all have seen."""


@dataclass(frozen=True)
class Tunable:
    """`space` holds the hyperparameters, `default` what they are where nobody has chosen.

    columns  which features the surrogate sees: `unit` or `table` of `Candidates`
    judge    held-out predictions
    wins     the share of bootstraps that another configuration must win to be taken: one half says
             likelier than not (evaluate/choose.py), more that what is in use is hard to beat
    repeats  judgements of each configuration, with other seeds
    seconds  (n, d) -> processor seconds of one judgement, as the docstring of each says it was
             measured: what a search costs must be known before, and be the same on every machine
    """

    space: Space
    default: Params
    columns: str
    judge: Judge
    wins: float
    repeats: int
    seconds: Callable[[int, int], float]

    def scores(
        self, params: Params, rows: Rows, seeds: list[int], executor: Executor | None
    ) -> Array:
        """CRPS of each row with each seed, (r, n), in sds of the target; NaN of rows that could not
        be held out. Raises FitFailed, also where no row could be judged."""
        found = [self.judge(params, rows, seed, executor) for seed in seeds]
        scores = np.stack([crps(held).numpy() for held in found])
        if not np.isfinite(scores).all(axis=0).any():
            raise FitFailed("no row could be held out")
        return scores
