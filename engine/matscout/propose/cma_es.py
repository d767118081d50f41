"""Covariance matrix adaptation (CMA-ES), replayed from the history."""

from __future__ import annotations

import math

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray

from matscout.errors import InputError, require_whole
from matscout.history import History
from matscout.propose.memo import Memo
from matscout.propose.observations import value_of
from matscout.propose.sampling import Point, value_at
from matscout.propose.toolbox import SpaceTools, Toolbox, generator, run_seed
from matscout.space import Space
from matscout.trial import Proposal, State, Trial, Value

REDRAWS = 8
"""On grids a distribution that has become narrow hits what is taken; then the nearest new point."""

GENERATION = "generation"
"""What a trial's `why` says the number of its generation under."""

_BAD = (State.FAILED, State.INVALID, State.PRUNED)
"""Ranked last in their generation: CMA-ES needs no value, only the order."""

_OVER = (State.COMPLETE, *_BAD)

_LARGEST = 1e100


class CmaEsProposer:
    """CMA-ES (Hansen, arXiv:1604.00772; by the `cmaes` package) in the unit cube of all parameters, from
    its centre with step size `sigma`; when it has converged it starts again elsewhere, with twice the
    population (IPOP: Auger and Hansen, CEC 2005).

    A trial says in its `why` which generation it was drawn for; a generation is over with its first
    `population` trials (4 + 3·ln d, unless told), in the order of completion. All of the state is told
    again from the history, so there is none. A parameter that does not exist in a trial is taken to
    stand at the mean; labels are laid out on a line, of which nothing can be learnt: for spaces of many
    labels or conditions `tpe` is better.
    """

    name = "cmaes"

    def __init__(self, sigma: float = 0.3, population: int | None = None) -> None:
        if not 0.0 < sigma <= 1.0:
            raise InputError("proposer.sigma", f"must be above 0 and at most 1, got {sigma!r}")
        if population is not None:
            require_whole("proposer.population", population, 4)
        self.sigma, self.population = float(sigma), population
        self._tools = Toolbox()
        self._told = Memo(lambda tools, history: _Told(tools, history, self.sigma, population))

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        if space.pool is not None:
            raise InputError("proposer", "cmaes cannot choose from a pool", "use gp or random")
        tools, taken = self._tools.of(space), self._tools.taken(space, history)
        told: _Told = self._told(tools, history)
        told.follow()
        out: list[Proposal] = []
        for i in range(n):
            if tools.exhausted(taken):
                break
            point = tools.modelled_new(told.draw, taken, seed, i, REDRAWS)
            if point is None:
                break
            taken.add(tools.key(point))
            why: dict[str, Value] = {"rule": self.name, GENERATION: told.generation}
            out.append(Proposal(point, why=why))
        return out


class _Told:
    """The distribution after every whole generation. A function of the history alone."""

    def __init__(
        self, tools: SpaceTools, history: History, sigma: float, population: int | None
    ) -> None:
        self._history, self._sigma, self._population = history, sigma, population
        self._varied = [p for p in tools.space.parameters if p.count != 1]
        self._space = tools.space
        self._groups: dict[int, list[int]] = {}
        self._seen = 0
        self._begin()

    def follow(self) -> None:
        changes = self._history.changes
        for index in dict.fromkeys(changes[self._seen :]):
            trial = self._history.trials[index]
            number = trial.why.get(GENERATION)
            if not isinstance(number, int):
                continue
            group, over = self._groups.setdefault(number, []), trial.state in _OVER
            if index in group and not over:
                group.remove(index)  # thawed: its generation waits for it
            elif over and index not in group:
                group.append(index)
            elif not over:
                continue
            if number < self.generation:
                self._begin()  # what was told has changed, or may have
        self._seen = len(changes)
        while self._varied and len(self._groups.get(self.generation, ())) >= self._size:
            trials = [self._history.trials[i] for i in self._groups[self.generation]]
            self._tell(sorted(trials, key=lambda t: t.finished or 0)[: self._size])

    def draw(self, rng: np.random.Generator) -> Point:
        unit: dict[str, float] = {}
        if self._varied:
            self._cma.reseed_rng(int(rng.integers(2**32)))
            drawn = self._cma.ask().tolist()
            unit = {p.name: u for p, u in zip(self._varied, drawn, strict=True)}
        point: Point = {}
        for parameter in self._space.parameters:
            if self._space.is_active(parameter, point):
                point[parameter.name] = value_at(parameter, unit.get(parameter.name, 0.0))
        return point

    def _begin(self) -> None:
        self.generation = self._restarts = 0
        self._start(np.full(len(self._varied), 0.5))

    def _start(self, mean: NDArray[np.float64]) -> None:
        d = max(len(mean), 1)
        self._size = (self.population_at_first(d)) * 2**self._restarts
        if len(mean):
            bounds = np.tile([0.0, 1.0], (d, 1))
            self._cma = CMA(mean, self._sigma, bounds, seed=0, population_size=self._size)

    def population_at_first(self, d: int) -> int:
        return self._population or 4 + math.floor(3 * math.log(d))

    def _tell(self, trials: list[Trial]) -> None:
        self.generation += 1
        target = self._history.targets[0]
        values = [value_of(t, target) if t.state is State.COMPLETE else None for t in trials]
        known = [-target.sign * v for v in values if v is not None]
        if not known or (min(known) == max(known) and len(known) == len(trials)):
            return  # an order of nothing is none
        bad = min(max(known) + abs(max(known)) + 1.0, _LARGEST)
        ranked = [bad if v is None else -target.sign * v for v in values]
        told = [min(max(v, -_LARGEST), _LARGEST) for v in ranked]
        mean = self._cma.mean
        rows = [(self._row(t, mean), v) for t, v in zip(trials, told, strict=True)]
        with np.errstate(all="ignore"):
            self._cma.tell(rows)
            over = self._cma.should_stop()
        if over:
            self._restarts += 1
            rng = generator(run_seed(self._history), self._restarts)
            self._start(rng.random(len(self._varied)))

    def _row(self, trial: Trial, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        there = [trial.params.get(p.name) for p in self._varied]
        return np.array(
            [
                mean[j] if value is None else p.cell(value)  # type: ignore[arg-type]
                for j, (p, value) in enumerate(zip(self._varied, there, strict=True))
            ]
        )
