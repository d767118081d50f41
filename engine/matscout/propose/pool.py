"""Campaigns over a pool: the strategy that suits what the campaign is after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matscout.errors import InputError
from matscout.goal import Goal
from matscout.history import History
from matscout.propose.base import Forecast
from matscout.propose.candidates import Candidates
from matscout.propose.memo import Memo
from matscout.propose.pool_process import pool_forecast
from matscout.propose.prices import prices_of
from matscout.propose.random import RandomProposer
from matscout.propose.strategies.named import AUTO, default
from matscout.propose.strategies.named import strategy as strategy_named
from matscout.propose.strategies.view import PoolView, Strategy
from matscout.space import Space
from matscout.surrogate.base import FitFailed
from matscout.trial import Proposal

LEAST_DATA = 2
"""Values needed before a model says more than chance."""


class PoolProposer:
    """The first `startup` candidates at random, then by `strategy` (strategies/named.py); `auto`
    takes the one that suits `goal`. `cost` names a column of the pool that says what each experiment
    costs, in any unit: improvement is then sought per cost.

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
    ) -> None:
        if isinstance(startup, bool) or not isinstance(startup, int) or startup < 1:
            raise InputError("proposer.startup", f"must be a whole number ≥ 1, got {startup!r}")
        self.goal = goal if isinstance(goal, Goal) else Goal.from_dict(goal or {})
        self.startup, self.strategy, self.cost = startup, strategy, cost
        strategy_named(strategy, self.goal, targets=2)  # what is wrong is wrong from the start
        self._candidates = Memo(Candidates)
        self._prices = Memo(prices_of)
        self._random = RandomProposer()

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        if space.pool is None:
            raise InputError("proposer", "pool chooses from pools only", "use gp or tpe")
        if len(history.trials) < self.startup or len(history.completed) < LEAST_DATA:
            # What remains of the start is all that is known to be worth asking without data.
            return self._random.propose(space, history, n, seed=seed)
        view = self._view(space, history, seed)
        if not len(view.free):
            return []
        try:
            picks = self._strategy(history).pick(view, n)
        except FitFailed as failure:
            return self._random.instead(space, history, n, seed=seed, failure=failure)
        return [view.candidates.proposal(row, why) for row, why in picks]

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
        return PoolView(candidates, history, self.goal, seed, prices)
