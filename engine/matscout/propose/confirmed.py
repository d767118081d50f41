"""Measure the best again before the end: of many noisy values the best one is lucky."""

from __future__ import annotations

from collections import defaultdict

from matscout.errors import InputError
from matscout.history import History
from matscout.propose.base import Proposer
from matscout.propose.foreseen import foreseen
from matscout.propose.observations import feasible, value_of
from matscout.propose.replicates import point_of, pooled, repeated
from matscout.space import Space
from matscout.trial import Proposal, Trial

TOP, TIMES = 3, 3
"""How many of the best points are measured how often. The best of n values with noise is too good by
what noise does in n tries; the mean of three is off by 1/√3 of it, and one that falls back makes
room for the next."""


class Confirmed:
    """`inner`, but of the last `last` of `budget` trials each measures again the best point by its
    mean that was asked for fewer than TIMES times, among the TOP best. Once those have been, `inner`
    goes on. A function of the history: where values repeat exactly it wastes trials. With random
    points of a slope and noise of a tenth, a fifth or two fifths of its range, 8 of 60 trials brought
    the mean regret of the best mean from .062, .107 and .166 to .045, .074 and .146 (150 seeds; standard
    errors below .012); 4 were too few to tell of two.
    """

    def __init__(self, inner: Proposer, last: int, budget: int) -> None:
        if not 0 < last < budget:
            raise InputError("confirm", f"must be between 1 and {budget - 1}, got {last}")
        self.inner, self.name = inner, inner.name
        self._begin = budget - last

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        before = min(n, max(self._begin - history.count_asked, 0))
        chosen: list[Proposal] = []
        if before:
            chosen = list(self.inner.propose(space, history, before, seed=seed))
            if len(chosen) < n and len(chosen) < before:
                return chosen  # the space is exhausted, or a generation is waited for
        ahead = foreseen(history, chosen) if chosen else history
        while len(chosen) < n and (again := best_again(ahead)) is not None:
            chosen.append(again)
            ahead = foreseen(ahead, [again])
        if len(chosen) < n:
            chosen += self.inner.propose(space, ahead, n - len(chosen), seed=seed)
        return chosen


def best_again(history: History, rule: str = "confirm") -> Proposal | None:
    """The best point by its mean that was asked for fewer than TIMES times, once more; None if the TOP
    best have all been."""
    target = history.targets[0]
    asked: dict[str | int, list[Trial]] = defaultdict(list)
    for trial in history.trials:
        asked[point_of(trial)].append(trial)
    points = [t for t in pooled(history.completed) if value_of(t, target) is not None]
    points = [t for t in points if feasible(history, t)]
    points.sort(key=lambda t: -target.sign * (value_of(t, target) or 0.0))
    for point in points[:TOP]:
        trials = asked[point_of(point)]
        if len(trials) < TIMES:
            return repeated(trials, rule)
    return None
