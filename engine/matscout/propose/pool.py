"""Campaigns over a pool: the strategy that suits what the campaign is after."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matscout.errors import InputError, did_you_mean, require_whole
from matscout.goal import Goal
from matscout.history import History
from matscout.propose.base import Forecast
from matscout.propose.candidates import Candidates
from matscout.propose.memo import Memo
from matscout.propose.pool_process import pool_forecast
from matscout.propose.prices import prices_of
from matscout.propose.random import RandomProposer
from matscout.propose.replicates import REPLICATE
from matscout.propose.retune import Budget, Retuner
from matscout.propose.retune_record import RETUNED
from matscout.propose.strategies.named import AUTO, TUNABLE, default
from matscout.propose.strategies.named import strategy as strategy_named
from matscout.propose.strategies.view import PoolView, Strategy
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.surrogate.ensemble import Executor
from matscout.trial import Proposal, Value

LEAST_DATA = 2
"""Values needed before a model says more than chance."""


NEVER = "never"
RETUNE = (AUTO, NEVER)


class PoolProposer:
    """The first `startup` candidates at random, then by `strategy` (strategies/named.py); `auto`
    takes the one that suits `goal`. `cost` names a column of the pool that says what each experiment
    costs, in any unit: improvement is then sought per cost. `replicates` is how often a candidate may
    be measured: one with fewer competes with those that were never measured, by what is still
    unsure of its noise-free value. A failed or abandoned one never returns, and no batch holds one
    twice.

    `retune` says whether a surrogate with hyperparameters of its own has them chosen anew as
    measurements come in (propose/retune.py): `auto`, where that is worth it, or `never`. `retune_s` is
    how many seconds of a processor each time may take; unset, as the experiments' cost allows.

    `executor` may be set to where networks are trained: it changes nothing but how long that takes.

    Where no model can be fitted the proposal is a random one, and says so.
    """

    name = "pool"
    needs_pool = True

    def __init__(
        self,
        goal: Goal | Mapping[str, Any] | None = None,
        strategy: str = AUTO,
        startup: int = 5,
        cost: str | None = None,
        replicates: int = 1,
        retune: str = NEVER,
        retune_s: float | None = None,
    ) -> None:
        for name, value in (("startup", startup), ("replicates", replicates)):
            require_whole(f"proposer.{name}", value, 1)
        self.goal = goal if isinstance(goal, Goal) else Goal.from_dict(goal or {})
        self.startup, self.strategy, self.cost = startup, strategy, cost
        self.replicates = replicates
        self.executor: Executor | None = None
        strategy_named(strategy, self.goal, targets=2)  # what is wrong is wrong from the start
        self._check_repeats()
        self.retune, self.retune_s = retune, retune_s
        self._retuner = self._checked_retuner()
        self._candidates = Memo(Candidates)
        self._prices = Memo(prices_of)
        self._random = RandomProposer()

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        if space.pool is None:
            raise InputError("proposer", "pool chooses from pools only", "use gp or tpe")
        if len(history.trials) < self.startup or len(history.completed) < LEAST_DATA:
            # What remains of the start is all that is known to be worth asking without data.
            return self._random.propose(space, history, n, seed=seed)
        view, strategy = self._view(space, history, seed), self._strategy(history)
        if not (view.askable.any() if _repeats(strategy) else len(view.free)):
            return []
        news = None if self._retuner is None else self._retuner.news(view)
        if news is not None:
            view = replace(view, hyperparameters=news.use)
        try:
            picks = strategy.pick(view, n)
        except FitFailed as failure:
            return self._random.instead(space, history, n, seed=seed, failure=failure)
        if news is not None and picks:  # the first tells the journal
            picks[0][1][RETUNED] = news.to_text()
        return [view.candidates.proposal(row, _numbered(view, row, why)) for row, why in picks]

    def once(self) -> PoolProposer:
        """The same, asking for every candidate once."""
        other = PoolProposer(
            self.goal, self.strategy, self.startup, self.cost,
            retune=self.retune, retune_s=self.retune_s,
        )  # fmt: skip
        other.executor = self.executor
        return other

    def forecast(self, space: Space, history: History) -> Forecast | None:
        """Mean and sd are a Gaussian process's, whatever the strategy goes by; `low` and `high`
        bound a new measurement, its noise and all (surrogate/reach.py).
        """
        if space.pool is None or len(history.completed) < max(LEAST_DATA, 3):
            return None
        view = self._view(space, history, 0)
        try:
            said = pool_forecast(view.candidates, view.data, view.target, self._named(history))
            score = self._strategy(history).scores(view).numpy()
        except FitFailed:
            return None
        return replace(said, score=score, feasible=view.works)

    def _strategy(self, history: History) -> Strategy:
        return strategy_named(self._named(history), self.goal, len(history.targets))

    def _named(self, history: History) -> str:
        if self.strategy != AUTO:
            return self.strategy
        return default(self.goal, len(history.targets), priced=self.cost is not None)

    def _view(self, space: Space, history: History, seed: int) -> PoolView:
        candidates = self._candidates(space.pool)
        if not candidates.unit.shape[1]:
            raise InputError(
                "space.pool.features", "there is no feature that varies", "or use random"
            )
        prices = None if self.cost is None else self._prices(space.pool, self.cost)
        view = PoolView(
            candidates, history, self.goal, seed, prices, self.replicates, self.executor
        )
        if self._retuner is None:
            return view
        return replace(view, hyperparameters=self._retuner.in_use(view))

    def _checked_retuner(self) -> Retuner | None:
        """None where hyperparameters stay as they are. InputError where there are none to choose."""
        seconds, tunable = self.retune_s, TUNABLE.get(self.strategy)
        if self.retune not in RETUNE:
            mend = did_you_mean(str(self.retune), RETUNE)
            raise InputError("proposer.retune", f"unknown {self.retune!r}", mend)
        if self.retune == NEVER:
            if seconds is not None:
                what = "nothing is re-tuned"
                raise InputError("proposer.retune_s", what, 'leave it out, or say retune = "auto"')
            return None
        if tunable is None:
            what = f"strategy {self.strategy!r} has no hyperparameters to choose"
            mend = f"leave it out, or take {' or '.join(TUNABLE)}"
            raise InputError("proposer.retune", what, mend)
        if seconds is not None:
            _check_seconds(seconds)
        return Retuner(tunable, Budget(seconds))

    def _check_repeats(self) -> None:
        """That somebody decides when to measure again. (Of several targets, nobody does.)"""
        name = default(self.goal) if self.strategy == AUTO else self.strategy
        if self.replicates > 1 and (
            name == "pareto" or not _repeats(strategy_named(name, self.goal))
        ):
            what = f"strategy {name!r} asks for each candidate once"
            raise InputError("proposer.replicates", what, "leave it out, or take lcb or log_ei")


def _check_seconds(seconds: Any) -> None:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (number and math.isfinite(seconds) and seconds > 0):
        raise InputError("proposer.retune_s", f"must be a number of seconds > 0, got {seconds!r}")


def _repeats(strategy: Strategy) -> bool:
    return bool(getattr(strategy, "repeats", False))


def _numbered(view: PoolView, row: int, why: dict[str, Value]) -> dict[str, Value]:
    """`why`, with the number of the measurement that this will be, from the second on."""
    count = int(view.asked.count[row]) if view.replicates > 1 else 0
    return {**why, REPLICATE: count + 1} if count else why
