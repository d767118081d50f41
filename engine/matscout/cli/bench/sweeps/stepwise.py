"""A sweep of trials that may be stopped early: what is counted is steps, not trials."""

from __future__ import annotations

from matscout.cli.bench.sweeps.arms import Arm
from matscout.cli.bench.sweeps.problems.problem import Observed, Problem, Told
from matscout.trial import Params


def stepwise(problem: Problem, player: Arm, seed: int) -> tuple[Told, list[int]]:
    """What one worker's whole trials said, and the steps that had been taken when each had ended.

    The sweep is over after as many steps as `problem.budget` whole trials have: what is under way
    then is not finished.
    """
    end, taken, trial = problem.budget * problem.steps, 0, 0
    told: list[tuple[Params, Observed]] = []
    ends: list[int] = []
    while (params := player.ask()) is not None:
        seen = problem.observed(params, trial, seed)
        stops = (step for step, value in seen.reports if player.stopped(trial, step, value))
        steps = next(stops, problem.steps)
        taken += steps
        if taken > end:
            break
        if steps == problem.steps:
            player.tell(trial, seen)
            told.append((params, seen))
            ends.append(taken)
        trial += 1
    return told, ends
