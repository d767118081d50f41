"""Proposals under outcome constraints, and for several objectives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.base import Score
from matscout.acquire.pareto import reference_point
from matscout.acquire.probability_beyond import LogProbabilityBeyond
from matscout.history import History
from matscout.propose.acquisitions import acquisition
from matscout.propose.gp_space import Read, SpaceModel
from matscout.propose.observations import of_pool, of_space
from matscout.propose.search import best_new
from matscout.propose.strategies.pareto import FRONT, hypervolume_gain, layers
from matscout.propose.strategies.per_target import moments
from matscout.propose.toolbox import SpaceTools
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Proposal, State, Target, Trial, Value

LEAST_FRONT = 8

DRAWS = 32


class JointModel:
    """A Gaussian process for each objective and for each constraint, independent of one another.

    The score is log P(feasible) plus log expected improvement (Gardner et al. 2014), for several
    objectives plus qLogNEHVI (acquire/pareto.py). Where nothing feasible is known there is nothing
    to improve on, and the score is log P(feasible) alone. What is pending is believed to come out
    as expected. Raises FitFailed.
    """

    def __init__(
        self, tools: SpaceTools, history: History, constraints: Sequence[Target], seed: int
    ) -> None:
        self._tools, self._targets, self._seed = tools, history.targets, seed
        several = len(history.targets) > 1
        # Clipping what is bad in one objective would move the ends of a front.
        read = of_pool if several else of_space
        self._objectives = [self._fitted(history, target, read) for target in self._targets]
        known = [c for c in constraints if any(c.name in t.values for t in history.completed)]
        self._limits = [self._fitted(history, c, of_pool) for c in known]
        data = read(history, self._targets[0], None)
        good = [t for t in data.trials if _feasible(t, constraints)]
        self._front, self._measured = self._rows(good), self._rows(data.trials)
        pending = self._rows(data.believed)
        likely = self._log_feasible(pending) >= np.log(0.5) if len(pending) else []
        self._pending = pending[likely] if len(pending) else pending

    def propose(self, taken: set[str], rng: np.random.Generator) -> Proposal | None:
        """The best new point; None if none was found."""
        score = self._score()
        point = best_new(self._tools, lambda X: score(X.unsqueeze(-2)), taken, rng)
        if point is None:
            return None
        row = torch.from_numpy(self._tools.encoding.rows([point]))
        return Proposal(point, why=self._why(row, score))

    def _score(self) -> Score:
        limits = [LogProbabilityBeyond(0.0).on(limit) for limit in self._limits]
        if not len(self._front):
            return lambda X: torch.stack([limit(X) for limit in limits]).sum(0)
        if len(self._objectives) > 1:
            gain = self._hypervolume()
        else:
            inside = self._objectives[0].standardised
            gain = acquisition("log_ei", 1, inside, self._front, 0.0).on(inside)
        return lambda X: torch.stack([gain(X), *(limit(X) for limit in limits)]).sum(0)

    def _hypervolume(self) -> Score:
        asked = torch.cat([self._front, self._pending])
        kept = asked[layers(moments(self._objectives, asked)[0], FRONT)]
        return hypervolume_gain(self._objectives, kept, self._reference(), DRAWS, self._seed)

    def _reference(self) -> Tensor:
        """(m,), standardised: a little worse than the worst of the front, and no better than the
        worst of the `LEAST_FRONT` best of all points, feasible or not: an early front is short, and
        beyond its ends nothing would count as gained."""
        feasible, _ = moments(self._objectives, self._front)
        measured, _ = moments(self._objectives, self._measured)
        wide = measured[layers(measured, LEAST_FRONT)].amin(0)
        return torch.minimum(reference_point(feasible), wide)

    def _log_feasible(self, X: Tensor) -> Tensor:
        """(b, d) -> (b,)"""
        with torch.no_grad():
            parts = [LogProbabilityBeyond(0.0)(limit, X.unsqueeze(-2)) for limit in self._limits]
        return torch.stack([torch.zeros(len(X), dtype=X.dtype), *parts]).sum(0)

    def _why(self, row: Tensor, score: Score) -> dict[str, Value]:
        with torch.no_grad():
            value = float(score(row.unsqueeze(-2)))
            told = [belief.mean_sd(row) for belief in self._objectives]
        out: dict[str, Value] = {
            "rule": "feasible" if not len(self._front) else "pareto" if len(told) > 1 else "log_ei",
            "acquisition": value,
            "feasible": float(self._log_feasible(row).exp()),
        }
        for target, (mean, sd) in zip(self._targets, told, strict=True):
            name = f"{target.name}." if len(told) > 1 else ""
            out |= {f"{name}mean": target.sign * float(mean), f"{name}sd": float(sd)}
        return out

    def _fitted(self, history: History, target: Target, read: Read) -> GpPosterior:
        return SpaceModel(self._tools, history, target, read).posterior

    def _rows(self, trials: Sequence[Trial]) -> Tensor:
        return torch.from_numpy(self._tools.rows(trials))


def _feasible(trial: Trial, constraints: Sequence[Target]) -> bool:
    """As Optuna has it: a constraint that was not set is kept."""
    done = trial.state is State.COMPLETE
    return done and all(trial.values.get(c.name, 0.0) <= 0.0 for c in constraints)
