"""What a strategy sees: the candidates, what was measured, what is in doubt, and what is free."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matscout.goal import Goal
from matscout.history import History
from matscout.propose.candidates import Candidates
from matscout.propose.feasibility import Feasibility, worked_and_failed
from matscout.propose.observations import Observations, of_pool
from matscout.propose.replicates import Asked
from matscout.surrogate.ensemble import Executor
from matscout.trial import Params, Target, Value

Pick = tuple[int, dict[str, Value]]
"""A row of the pool, and why."""


@dataclass(frozen=True)
class PoolView:
    """One ask of a campaign over a pool. `seed` is all the randomness there is.

    y (n,) counts up: more is better. `limit` is the goal's threshold turned the same way.
    `prices` (n_candidates,) is what each experiment costs, None where all cost the same.
    `replicates` is how often a candidate may be measured, by strategies that can tell when to.
    `executor` is where networks are trained; where, is not to be seen in what they say.
    `hyperparameters` are those of the surrogate (propose/retune.py); none: its defaults.
    """

    candidates: Candidates
    history: History
    goal: Goal
    seed: int
    prices: NDArray[np.float64] | None = None
    replicates: int = 1
    executor: Executor | None = None
    hyperparameters: Params = field(default_factory=dict)

    @property
    def target(self) -> Target:
        return self.history.targets[0]

    @property
    def place(self) -> int:
        """The id of the next trial."""
        return len(self.history.trials)

    @cached_property
    def data(self) -> Observations:
        return of_pool(self.history, self.target)

    @cached_property
    def measured(self) -> list[int]:
        return self.candidates.rows(self.data.trials)

    @cached_property
    def believed(self) -> list[int]:
        return self.candidates.rows(self.data.believed)

    @cached_property
    def free(self) -> NDArray[np.intp]:
        """Rows that were never asked for."""
        return np.flatnonzero(self.candidates.free(self.history))

    def shuffled(self, rows: NDArray[np.intp]) -> Tensor:
        """In random order, so that among equals (all, of a class of which only one kind has been
        seen) it is not the table's order that decides."""
        return torch.from_numpy(
            np.random.default_rng(np.random.SeedSequence(self.seed)).permutation(rows)
        )

    @cached_property
    def passing(self) -> Tensor:
        """(n,) bool: which of the measured pass the goal's limit."""
        return self.Y[:, 0] >= self.limit

    @cached_property
    def asked(self) -> Asked:
        return self.candidates.asked(self.history)

    @cached_property
    def askable(self) -> NDArray[np.bool_]:
        """(n_candidates,): rows that may be asked for, again too; `free` where nothing repeats."""
        return self.asked.askable(self.replicates)

    @cached_property
    def unit(self) -> Tensor:
        """(n_candidates, D); see `Candidates.unit`."""
        return torch.from_numpy(self.candidates.unit)

    @cached_property
    def Y(self) -> Tensor:
        """(n, 1)"""
        return torch.from_numpy(self.data.y).unsqueeze(-1)

    @cached_property
    def Yvar(self) -> Tensor:
        return torch.from_numpy(self.data.yvar).unsqueeze(-1)

    @property
    def labels_only(self) -> bool:
        """Whether the target is a class, 0 or 1 with a limit between them, and no quantity."""
        labels = bool(np.isin(self.data.y, (-1.0, 0.0, 1.0)).all())
        return labels and -1.0 < self.limit <= 1.0

    @property
    def limit(self) -> float:
        assert self.goal.threshold is not None
        return self.target.sign * self.goal.threshold

    @cached_property
    def works(self) -> NDArray[np.float64]:
        """P(the experiment works) for every candidate, (n_candidates,); 1 while nothing failed."""
        worked, failed = worked_and_failed(self.history)
        if not failed:
            return np.ones(len(self.candidates.pool))
        trials, unit = self.history.trials, self.candidates.unit
        ok = unit[self.candidates.rows(trials[i] for i in worked)]
        bad = unit[self.candidates.rows(trials[i] for i in failed)]
        return Feasibility.of(ok, bad)(unit)


class Strategy(Protocol):
    """How a campaign over a pool chooses. Pure."""

    def pick(self, view: PoolView, n: int) -> list[Pick]:
        """Up to n different free rows, the most wanted first. Raises FitFailed."""

    def scores(self, view: PoolView) -> Tensor:
        """(n_candidates,), larger is better: what `pick` goes by, before a batch is spread."""
