"""When a campaign chooses its surrogate's hyperparameters anew, and whether it is worth it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from matscout.errors import InputError
from matscout.evaluate.choose import Choice, Tried, choose
from matscout.models.metrics import METRICS
from matscout.propose.candidates import Candidates
from matscout.propose.observations import Observations
from matscout.propose.retune_record import Decision, decisions
from matscout.propose.retune_search import Found, mean_score, search
from matscout.propose.strategies.view import PoolView
from matscout.propose.toolbox import run_seed
from matscout.propose.tunable import Rows, Tunable
from matscout.seeds import ask_seed
from matscout.surrogate.scaling import Standard
from matscout.trial import Params

FIRST = 12
"""Measurements from which on it is considered."""

GROWTH = 1.5
"""How much their number has grown until it is considered again: half as much again is as much news
for a large campaign as for a small one, and all searches together cost three times the last."""

TRIALS, LEAST_TRIALS = 10, 4
"""Configurations that a search tries, the one in use among them, and how few are none at all."""

SHARE = 0.05
"""Of what the experiments cost until the next re-tuning, a search may cost so much: the whole
campaign is then no more than a twentieth dearer."""

UNPRICED_S = 20.0
"""Processor seconds that a search may take where nobody says what an experiment costs."""


def last_due(measured: int) -> int:
    """The last number of measurements, of so many, at which re-tuning is considered: 12, 18, 27, 40,
    60, 90, …; 0 before the first."""
    if measured < FIRST:
        return 0
    at = FIRST
    while next_due(at) <= measured:
        at = next_due(at)
    return at


def next_due(at: int) -> int:
    return math.floor(GROWTH * at)


@dataclass(frozen=True)
class Budget:
    """`seconds` of a processor for one re-tuning; None: as the experiments' cost allows."""

    seconds: float | None = None

    def of(self, costs: Sequence[float], at: int) -> tuple[float, str]:
        """Seconds, and where they come from. `costs` are the experiments' in seconds, 0 if unknown."""
        if self.seconds is not None:
            return self.seconds, "retune_s"
        known = [cost for cost in costs if cost > 0]
        if not known:
            return UNPRICED_S, "what is allowed where experiments have no cost"
        until = next_due(at) - at
        words = f"{SHARE:.0%} of what the {until} experiments until the next cost"
        return SHARE * until * median(known), words


class Retuner:
    """Says which hyperparameters a surrogate is to have: a function of the history and the run's seed.

    What was decided stands in the journal, in `why` of the first proposal that was made by it; what
    does not stand there yet is decided from the first so many measurements.
    """

    def __init__(self, tunable: Tunable, budget: Budget) -> None:
        self.tunable, self.budget = tunable, budget
        self._last: tuple[Any, Decision] | None = None

    def in_use(self, view: PoolView) -> Params:
        """By the decisions that stand in the journal."""
        said = self._said(view)
        return said[-1].use if said else self.tunable.default

    def news(self, view: PoolView) -> Decision | None:
        """A decision that is due and does not stand in the journal yet."""
        at = last_due(len(view.data.y))
        said = self._said(view)
        if not at or (said and said[-1].at >= at):
            return None
        data = view.data.only(list(range(at)))
        # By what it is a function of: a process that has just begun decides the same.
        seed = run_seed(view.history)
        costs = tuple(trial.cost_s for trial in data.trials)
        key = (
            data.y.tobytes(),
            data.yvar.tobytes(),
            tuple(view.candidates.rows(data.trials)),
            costs,
            seed,
            tuple(d.to_text() for d in said),
            view.candidates,
        )
        if self._last is None or self._last[0] != key:
            self._last = key, self._decide(view, data, said, seed)
        return self._last[1]

    def _said(self, view: PoolView) -> list[Decision]:
        return [d for d in decisions(view.history.trials) if self._fits(d)]

    def _fits(self, decision: Decision) -> bool:
        """Whether it speaks of these hyperparameters, and in these ranges."""
        try:
            for params in (decision.use, *(params for params, _ in decision.tried)):
                self.tunable.space.check(params)
        except InputError:
            return False
        return True

    def _decide(
        self, view: PoolView, data: Observations, said: Sequence[Decision], seed: int
    ) -> Decision:
        at, was = len(data.y), said[-1].use if said else self.tunable.default
        rows = rows_of(view.candidates, data, self.tunable.columns)
        allowed, whence = self.budget.of([t.cost_s for t in data.trials], at)
        one = self.tunable.repeats * self.tunable.seconds(*rows.X.shape)
        trials = min(TRIALS, int(allowed / one))
        if trials < LEAST_TRIALS:
            reason = (
                f"{LEAST_TRIALS} configurations would take {LEAST_TRIALS * one:.2g} s of processor,"
                f" and {whence} is {allowed:.2g} s"
            )
            return Decision(at, was, was, reason=reason)
        found = search(
            self.tunable, rows, [was, self.tunable.default], said, trials,
            ask_seed(seed, at), view.executor,
        )  # fmt: skip
        return decided(at, was, found, self.tunable.wins)


def decided(at: int, was: Params, found: Found, wins: float) -> Decision:
    """Whether what scored best beats `was` on rows that did not choose it, in more than the share
    `wins` of bootstraps."""
    tried = tuple((params, mean_score(scores)) for params, scores in found)
    place = next((i for i, (params, _) in enumerate(found) if dict(params) == dict(was)), None)
    if place is None:
        return Decision(at, was, was, tried, reason="what is in use could not be judged")
    choice = _chosen(found, place)
    if not choice.members or math.isnan(choice.share):
        return Decision(at, was, was, tried, reason="too few rows to judge by")
    best = choice.members[0]
    use = found[best][0] if best != place and choice.share > wins else was
    return Decision(at, was, use, tried, choice.gain / tried[place][1], choice.share)


def _chosen(found: Found, place: int) -> Choice:
    """By bootstrapping the choice (evaluate/choose.py): what stands for a prediction is its CRPS, and
    the truth that it is compared with is none at all."""
    scores = np.stack([scores for _, scores in found])  # (k, r, n)
    scores = scores[:, :, np.isfinite(scores).all(axis=(0, 1))]
    n = scores.shape[2]
    tried = Tried(np.zeros(n), scores, scores[place], np.arange(n))
    return choose("best", tried, METRICS["mae"])


def rows_of(candidates: Candidates, data: Observations, columns: str) -> Rows:
    X = np.asarray(getattr(candidates, columns))[candidates.rows(data.trials)]
    y = torch.from_numpy(data.y)
    units = Standard.of(y)
    yvar = units.variance(torch.from_numpy(data.yvar))
    return Rows(torch.from_numpy(X), units(y).unsqueeze(-1), yvar.unsqueeze(-1))
