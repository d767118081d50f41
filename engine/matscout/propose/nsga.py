"""Genetic algorithms for several targets: Optuna's NSGA-II and NSGA-III, over our history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.samplers._nsgaiii._elite_population_selection_strategy import (
    NSGAIIIElitePopulationSelectionStrategy,
)
from optuna.samplers.nsgaii import UniformCrossover
from optuna.samplers.nsgaii._child_generation_strategy import NSGAIIChildGenerationStrategy
from optuna.samplers.nsgaii._elite_population_selection_strategy import (
    NSGAIIElitePopulationSelectionStrategy,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from matscout.errors import InputError, require_whole
from matscout.history import History
from matscout.propose.memo import Memo
from matscout.propose.observations import value_of
from matscout.propose.optuna_study import StudyMirror, beyond
from matscout.propose.sampling import Point, canonical, value_at
from matscout.propose.toolbox import SpaceTools, Toolbox, generator, run_seed
from matscout.space import Space
from matscout.trial import Proposal, State, Trial, Value

REDRAWS = 8
"""Children of a population that has converged are often points that are taken. After so many, the
nearest new point is as good."""

_LARGEST = 1e100
"""Values beyond are as bad (or good) as this: their squares must not overflow."""


class _Nsga(ABC):
    """Random until `population` trials are complete. From then on every point is the child of the
    elite of the last whole generation and of the elite before: two parents by tournament, uniform
    crossover with probability `crossover`, each parameter then drawn anew with probability 1 / their
    number.

    The k-th generation is the k-th `population` of trials in the order of their completion, so that
    everything follows from the history; Optuna notes generations in its storage. Trials that failed or
    were pruned have no part in it. Conditional parameters are bred among the parents that have them.
    Under limits a trial that keeps them is before one that does not, and of those that do not the
    one that is less beyond them.
    """

    name: str

    def __init__(self, population: int = 50, crossover: float = 0.9) -> None:
        require_whole("proposer.population", population, 4)
        if not 0.0 <= crossover <= 1.0:
            what = f"must be a share between 0 and 1, got {crossover!r}"
            raise InputError("proposer.crossover", what)
        self.population, self.crossover = population, float(crossover)
        self._tools = Toolbox()
        self._mirror = Memo(StudyMirror)
        self._ancestry = Memo(lambda history: _Ancestry(history, self.population, self._elite))

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        if space.pool is not None:
            raise InputError("proposer", f"{self.name} cannot choose from a pool", "use pool or gp")
        tools, taken = self._tools.of(space), self._tools.taken(space, history)
        parents = self._ancestry(history).parents()
        brood = _Brood(tools, self._mirror(space, history), history, parents, self.crossover)
        out: list[Proposal] = []
        for i in range(n):
            if tools.exhausted(taken):
                break
            if parents:
                point = tools.modelled_new(brood.draw, taken, seed, i, REDRAWS)
            else:
                point = tools.random_new(taken, generator(seed, i))
            if point is None:
                break
            taken.add(tools.key(point))
            why: dict[str, Value] = {"rule": self.name if parents else "random"}
            out.append(Proposal(point, why=why))
        return out

    @abstractmethod
    def _elite(
        self, study: Any, members: list[FrozenTrial], rng: LazyRandomState
    ) -> list[FrozenTrial]:
        """The `population` of members that the next generation descends from."""


class Nsga2Proposer(_Nsga):
    """NSGA-II: Deb, Pratap, Agarwal and Meyarivan, IEEE Trans. Evol. Comput. 6 (2002). The elite are the
    first fronts, and of the one that does not fit whole the least crowded."""

    name = "nsga2"

    def _elite(
        self, study: Any, members: list[FrozenTrial], rng: LazyRandomState
    ) -> list[FrozenTrial]:
        select = NSGAIIElitePopulationSelectionStrategy(population_size=self.population)
        return list(select(study, members))


class Nsga3Proposer(_Nsga):
    """NSGA-III: Deb and Jain, IEEE Trans. Evol. Comput. 18 (2014). For three targets and more: of the
    front that does not fit whole those that stand nearest to reference directions few others do."""

    name = "nsga3"

    def _elite(
        self, study: Any, members: list[FrozenTrial], rng: LazyRandomState
    ) -> list[FrozenTrial]:
        select = NSGAIIIElitePopulationSelectionStrategy(population_size=self.population, rng=rng)
        return list(select(study, members))


class _Ancestry:
    """The elite that the next children descend from. A function of the history alone, followed by its
    changes: a generation is selected again when anything that it rests on is not what it was."""

    def __init__(self, history: History, population: int, elite: Any) -> None:
        self._history, self._population, self._elite = history, population, elite
        self._done: list[tuple[int, int]] = []  # (place in the order of completion, trial)
        self._values: dict[int, tuple[float, ...]] = {}
        self._beyond: dict[int, dict[str, float]] = {}
        self._elites: list[list[FrozenTrial]] = []
        self._seen = 0

    def parents(self) -> list[FrozenTrial]:
        """Values, smaller is better, without params; `number` is the trial's id."""
        changes = self._history.changes
        for index in dict.fromkeys(changes[self._seen :]):
            self._follow(self._history.trials[index])
        self._seen = len(changes)
        size, study = self._population, _study(self._history)
        for number in range(len(self._elites), len(self._done) // size):
            group = [trial for _, trial in self._done[number * size : (number + 1) * size]]
            born = [_frozen(t, self._values[t], beyond=self._beyond[t]) for t in group]
            before = self._elites[-1] if self._elites else []
            rng = LazyRandomState(_seed(generator(run_seed(self._history), number)))
            with np.errstate(all="ignore"):
                self._elites.append(self._elite(study, born + before, rng))
        # By number: the order in which a front was sorted should not be seen in who is drawn.
        return sorted(self._elites[-1], key=_number) if self._elites else []

    def _follow(self, trial: Trial) -> None:
        place = (-1 if trial.finished is None else trial.finished, trial.id)
        known, complete = trial.id in self._values, trial.state is State.COMPLETE
        if not known and not complete:
            return
        at = bisect_left(self._done, place)
        if not known:
            self._done.insert(at, place)
        elif not complete:
            del self._done[at], self._values[trial.id]
        if complete:
            found = [-t.sign * (value_of(trial, t) or 0.0) for t in self._history.targets]
            self._values[trial.id] = tuple(min(max(v, -_LARGEST), _LARGEST) for v in found)
            self._beyond[trial.id] = beyond(self._history, trial)
        del self._elites[at // self._population :]


class _Brood:
    """Children of `parents`, in Optuna's terms."""

    def __init__(
        self,
        tools: SpaceTools,
        mirror: StudyMirror,
        history: History,
        parents: Sequence[FrozenTrial],
        crossover: float,
    ) -> None:
        self._tools, self._mirror, self._crossover = tools, mirror, crossover
        self._study = _study(history)
        space = tools.space
        self._groups = {name: group for group in mirror.groups for name, _ in group}
        self._pairs: dict[tuple[str, ...], list[FrozenTrial]] = {}
        points = [(m, canonical(space, history.trials[m.number].params)) for m in parents]
        for group in mirror.groups:
            names = tuple(name for name, _ in group)
            self._pairs[names] = [
                _frozen(
                    m.number,
                    m.values,
                    {n: mirror.codings[n].encode(p[n]) for n in names},
                    m.constraints,
                )
                for m, p in points
                if names and names[0] in p
            ]

    def draw(self, rng: np.random.Generator) -> Point:
        """Group by group: what exists is decided by what was drawn before. The same mutation rate
        for all, and parents of their own for each group."""
        space = self._tools.space
        breed = NSGAIIChildGenerationStrategy(
            mutation_prob=1.0 / len(space.parameters),
            crossover=UniformCrossover(0.5),
            crossover_prob=self._crossover,
            swapping_prob=0.5,
            rng=LazyRandomState(_seed(rng)),
        )
        drawn: dict[str, Any] = {}
        bred: set[str] = set()
        point: Point = {}
        for parameter in space.parameters:
            if not space.is_active(parameter, point):
                continue
            coding = self._mirror.codings[parameter.name]
            if coding.distribution.single():
                point[parameter.name] = coding.decode(0)
                continue
            if parameter.name not in bred:
                group: dict[str, BaseDistribution] = dict(self._groups[parameter.name])
                bred |= set(group)
                pairs = self._pairs[tuple(group)]
                if len(pairs) > 1:
                    drawn |= breed(self._study, group, pairs)
            if parameter.name in drawn:
                point[parameter.name] = coding.decode(drawn[parameter.name])
            else:  # mutated, or nobody to inherit from
                point[parameter.name] = value_at(parameter, float(rng.random()))
        return point


def _study(history: History) -> SimpleNamespace:
    """What the strategies read of a study; every value is turned so that smaller is better."""
    return SimpleNamespace(directions=[StudyDirection.MINIMIZE] * len(history.targets))


def _frozen(
    number: int,
    values: Sequence[float],
    held: dict[str, Any] | None = None,
    beyond: Mapping[str, float] | None = None,
) -> FrozenTrial:
    """`beyond` are constraints, kept at 0 or below."""
    trial = FrozenTrial(
        number=number,
        state=TrialState.COMPLETE,
        value=None,
        values=list(values),
        datetime_start=None,
        datetime_complete=None,
        params=held or {},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=number,
    )
    for name, over in (beyond or {}).items():
        trial.set_constraint(name, over)
    return trial


def _number(trial: FrozenTrial) -> int:
    return int(trial.number)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**32))
