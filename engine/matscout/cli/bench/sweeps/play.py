"""One sweep of one arm on one problem, on the virtual clock."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from matscout.cli.bench.sweeps.arms import Arm, made
from matscout.cli.bench.sweeps.problems.named import problem as named
from matscout.cli.bench.sweeps.problems.problem import MINUTE_S, Observed, Problem, Told
from matscout.cli.bench.sweeps.stepwise import stepwise
from matscout.cli.bench.sweeps.timed import Timed
from matscout.clock import VirtualClock
from matscout.evaluate.base import Context
from matscout.fleet.simulated import SimulatedFleet
from matscout.outcome import Assignment, Outcome
from matscout.trial import Measurement, Params, Report

_FOREVER_S = 1e12


@dataclass(frozen=True)
class Swept:
    """What became of one sweep. All after each trial, in the order of completion:

    regret    of what would be taken then (see Problem.regrets); best: of the best point evaluated
    at_s      on the virtual clock
    ask_s     processor seconds of each suggestion, with telling what the arm had not been told
    basin     where the point that would be taken at the end lies, if anybody asks
    """

    arm: str
    seed: int
    regret: tuple[float, ...]
    best: tuple[float, ...]
    at_s: tuple[float, ...]
    ask_s: tuple[float, ...]
    basin: str = ""


@dataclass(frozen=True)
class Case:
    """A problem by name, as it travels to the processes that play."""

    name: str

    def play(self, arm: str, seed: int, interpreters: Mapping[str, str]) -> Swept:
        return sweep(problem_of(self.name, interpreters), arm, seed, interpreters)


def problem_of(name: str, interpreters: Mapping[str, str]) -> Problem:
    """Made once and kept for the next seed: a table is read for seconds."""
    return _made(name, tuple(interpreters.items()))


@lru_cache(maxsize=1)
def _made(name: str, interpreters: tuple[tuple[str, str], ...]) -> Problem:
    return named(name, dict(interpreters))


def sweep(problem: Problem, arm: str, seed: int, interpreters: Mapping[str, str]) -> Swept:
    """One sweep. Where trials have steps, as many of them as a whole trial has stand for a trial."""
    player = Timed(made(arm, problem, seed, interpreters))
    if problem.steps:
        told, ends = stepwise(problem, player, seed)
        worth = range(1, problem.budget + 1)
        # Before the first has ended: what it will say.
        places = [max(bisect_right(ends, n * problem.steps) - 1, 0) for n in worth]
        at_s = [MINUTE_S * n for n in worth]
    else:
        told, at_s = _trials(problem, player, seed)
        places = list(range(len(told)))
    regret = problem.regrets(told)
    best = problem.best_found(told) if problem.noisy else regret
    taken = told[_last_change(regret)][0]
    return Swept(
        arm,
        seed,
        tuple(regret[place] for place in places),
        tuple(best[place] for place in places),
        tuple(at_s),
        tuple(player.ask_s),
        problem.basin(taken),
    )


def _trials(problem: Problem, player: Arm, seed: int) -> tuple[Told, list[float]]:
    """What trials said, and when each had ended. Free workers are given trials before each outcome is
    taken, as the loop does."""
    lab, clock = _Lab(problem, seed), VirtualClock()
    fleet = SimulatedFleet(
        lambda: lab, problem.targets, None, problem.workers, clock, seed, lab.duration
    )
    asked, running = 0, 0
    told: list[tuple[Params, Observed]] = []
    at_s: list[float] = []
    inbox: deque[Outcome] = deque()
    while len(told) < problem.budget:
        while running < problem.workers and asked < problem.budget:
            params = player.ask()
            if params is None:
                break
            fleet.submit(Assignment(asked, 1, params))
            asked, running = asked + 1, running + 1
        if not running:
            break
        if not inbox:
            inbox.extend(fleet.poll(_FOREVER_S))
        outcome = inbox.popleft()
        params, seen = lab.said[outcome.trial]
        player.tell(outcome.trial, seen)
        told.append((params, seen))
        at_s.append(round(clock.now_s, 3))
        running -= 1
    fleet.close()
    return told, at_s


def _last_change(regret: list[float]) -> int:
    """The trial that what is taken at the end came from."""
    changes = [i for i in range(1, len(regret)) if regret[i] != regret[i - 1]]
    return changes[-1] if changes else 0


@dataclass
class _Lab:
    """Knows what a trial will say when it begins, because that says how long it takes."""

    problem: Problem
    seed: int
    costly: bool = False
    said: dict[int, tuple[Params, Observed]] = field(default_factory=dict)

    def duration(self, assignment: Assignment, rng: np.random.Generator) -> float:
        seen = self.problem.observed(assignment.params, assignment.trial, self.seed)
        self.said[assignment.trial] = assignment.params, seen
        return seen.cost_s

    def evaluate(self, params: Params, context: Context) -> Iterator[Report | Measurement]:
        values = self.said[context.trial][1].values
        yield Measurement({t.name: v for t, v in zip(self.problem.targets, values, strict=True)})
