"""Proposals under outcome constraints, and for several objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from matscout.acquire.base import Score
from matscout.acquire.pareto import reference_point
from matscout.acquire.probability_beyond import LogProbabilityBeyond
from matscout.history import History
from matscout.propose.acquisitions import acquisition
from matscout.propose.gp_front_search import doubting
from matscout.propose.gp_space import Read, SpaceModel
from matscout.propose.measured_cost import MeasuredCost
from matscout.propose.near import KNOWN, best_known
from matscout.propose.observations import of_pool, of_space
from matscout.propose.sampling import Point
from matscout.propose.search import best_new
from matscout.propose.space_belief import require_finite
from matscout.propose.strategies.pareto import FRONT, hypervolume_gain, layers
from matscout.propose.strategies.per_target import moments
from matscout.propose.toolbox import SpaceTools
from matscout.surrogate.noise_prior import MAYBE_NONE
from matscout.surrogate.posterior import GpPosterior
from matscout.trial import Proposal, State, Target, Trial, Value

LEAST_FRONT = 8

DRAWS = 32


@dataclass(frozen=True)
class Known:
    """What a joint model stands on: a posterior for each of `targets`, one for each constraint of
    which P(constraint >= 0) is the chance that it is kept, and the trials that are feasible, that were
    measured at all, and that are pending. `prefixes` name what is expected of each target.
    `search`, if any, stand in for `constraints` while nothing feasible is known.
    """

    targets: Sequence[Target]
    objectives: Sequence[GpPosterior]
    constraints: Sequence[GpPosterior]
    feasible: Sequence[Trial]
    measured: Sequence[Trial]
    pending: Sequence[Trial]
    prefixes: Sequence[str]
    search: Sequence[GpPosterior] = ()


class JointModel:
    """A Gaussian process for each objective and for each constraint, independent of one another.

    The score is log P(feasible) plus log expected improvement (Gardner et al. 2014), for several
    objectives plus qLogNEHVI (acquire/pareto.py). Where nothing feasible is known there is nothing
    to improve on, and the score is log P(feasible) alone. What is pending is believed to come out
    as expected. With `cost`, each of them is sought per unit of it.
    """

    def __init__(
        self, tools: SpaceTools, known: Known, seed: int, cost: MeasuredCost | None = None
    ) -> None:
        self._tools, self._seed, self._cost = tools, seed, cost
        self._targets, self._prefixes = known.targets, known.prefixes
        self._objectives, self._limits = list(known.objectives), list(known.constraints)
        self._feasible = known.feasible
        self._front = rows_of(tools, known.feasible)
        self._measured = rows_of(tools, known.measured)
        self._search = list(known.search)
        waiting = rows_of(tools, known.pending)
        self._pending = waiting[:0]
        self._wait_for(waiting)

    def believe(self, rows: Tensor) -> None:
        """That `rows` (n, d) are pending, and come out as expected."""
        self._objectives = [belief.believe(rows) for belief in self._objectives]
        self._limits = [limit.believe(rows) for limit in self._limits]
        self._search = doubting(self._search, rows) if self._search else []
        self._wait_for(rows)

    def _wait_for(self, rows: Tensor) -> None:
        if len(rows):
            likely = self._log_feasible(rows) >= np.log(0.5)
            self._pending = torch.cat([self._pending, rows[likely]])

    def propose(self, taken: set[str], rng: np.random.Generator) -> Proposal | None:
        """The best new point; None if none was found."""
        score = self._per_cost(self._score())
        point = best_new(self._tools, lambda X: score(X.unsqueeze(-2)), taken, rng, self._known())
        if point is None:
            return None
        row = torch.from_numpy(self._tools.encoding.rows([point]))
        for belief in (*self._objectives, *self._limits):
            require_finite(belief, row)
        return Proposal(point, why=self._why(row, score))

    def _known(self) -> list[Point]:
        """Feasible points to search near: the best of the one target, or of each of several, which
        are the ends of the front."""
        count = KNOWN if len(self._objectives) == 1 else 1
        beliefs = [belief.standardised for belief in self._objectives]
        found = [best_known(self._tools, b, self._feasible, count) for b in beliefs]
        return [point for points in found for point in points]

    def _score(self) -> Score:
        found = len(self._front)
        beliefs = self._limits if found or not self._search else self._search
        limits = [LogProbabilityBeyond(0.0).on(belief) for belief in beliefs]
        if not found:
            return lambda X: torch.stack([limit(X) for limit in limits]).sum(0)
        if len(self._objectives) > 1:
            gain = self._hypervolume()
        else:
            inside = self._objectives[0].standardised
            gain = acquisition("log_ei", 1, inside, self._front, 0.0).on(inside)
        return lambda X: torch.stack([gain(X), *(limit(X) for limit in limits)]).sum(0)

    def _per_cost(self, score: Score) -> Score:
        cost = self._cost
        if cost is None:
            return score
        return lambda X: score(X) - cost.exponent * cost(X.squeeze(-2)).log()

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
        if self._cost is not None:
            out["cost"] = float(self._cost(row))
        for target, name, (mean, sd) in zip(self._targets, self._prefixes, told, strict=True):
            out |= {f"{name}mean": target.sign * float(mean), f"{name}sd": float(sd)}
        return out


def joint_model(
    tools: SpaceTools,
    history: History,
    constraints: Sequence[Target],
    seed: int,
    cost: MeasuredCost | None = None,
) -> JointModel:
    """The model of a study: `constraints` are values of the history, kept at 0 or below. Raises
    FitFailed."""
    several = len(history.targets) > 1
    # Clipping what is bad in one objective would move the ends of a front.
    read = of_pool if several else of_space
    limits = [c for c in constraints if any(c.name in t.values for t in history.completed)]
    data = read(history, history.targets[0], None)
    good = [t for t in data.trials if _feasible(t, constraints)]
    known = Known(
        targets=history.targets,
        objectives=[fitted(tools, history, target, read) for target in history.targets],
        constraints=[limit_of(tools, history, c, of_pool) for c in limits],
        feasible=good,
        measured=data.trials,
        pending=data.believed,
        prefixes=[f"{t.name}." if several else "" for t in history.targets],
    )
    return JointModel(tools, known, seed, cost)


def fitted(tools: SpaceTools, history: History, target: Target, read: Read) -> GpPosterior:
    """What is believed of `target`, learned from what `read` makes of the history."""
    return SpaceModel(tools, history, target, read).posterior


def limit_of(tools: SpaceTools, history: History, target: Target, read: Read) -> GpPosterior:
    """As `fitted`, of a target that is to be kept: it may turn out to have no noise."""
    return SpaceModel(tools, history, target, read, MAYBE_NONE).posterior


def rows_of(tools: SpaceTools, trials: Sequence[Trial]) -> Tensor:
    """The encoded points of trials, (n, d)."""
    return torch.from_numpy(tools.rows(trials))


def _feasible(trial: Trial, constraints: Sequence[Target]) -> bool:
    """As Optuna has it: a constraint that was not set is kept."""
    done = trial.state is State.COMPLETE
    return done and all(trial.values.get(c.name, 0.0) <= 0.0 for c in constraints)
