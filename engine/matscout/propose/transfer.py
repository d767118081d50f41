"""Bayesian optimisation that starts from earlier runs of the same space, as far as they hold here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from matscout.errors import InputError, require_whole
from matscout.history import History
from matscout.propose.acquisitions import ALTERNATE
from matscout.propose.foreseen import foreseen
from matscout.propose.gp import GpProposer
from matscout.propose.gp_space import kept_rows
from matscout.propose.memo import Memo
from matscout.propose.observations import of_space
from matscout.propose.pooled_fit import fit_pooled
from matscout.propose.prior_run import PRIOR, PriorRun
from matscout.propose.random import RandomProposer
from matscout.propose.sobol import SobolProposer
from matscout.propose.space_belief import SpaceBelief
from matscout.propose.toolbox import SpaceTools, Toolbox, generator, run_seed
from matscout.propose.transfer_mean import on_top
from matscout.propose.transfer_prior import PriorBelief, belief_of
from matscout.propose.transfer_start import best_points
from matscout.propose.transfer_weights import ranking_weights
from matscout.space import Space
from matscout.surrogate.base import FitFailed, Posterior
from matscout.surrogate.gp import GaussianProcess
from matscout.trial import Proposal, State, Target

BETA = 2.0
"""As `gp` over parameters."""

LEAST_DATA = 3
"""Values from which on earlier runs are weighed: two make one pair to rank."""


class TransferProposer:
    """The best of the earlier runs first, then what `gp` does, on top of what they expect: by how much
    they are believed says transfer_weights.py, and how, transfer_mean.py.

    first    how many of the best points of earlier runs are asked for first
    startup  trials before the model decides, those among them; the others are Sobol points
    budget   the run's trials: earlier runs lose their say as it is used up

    The earlier runs are those that the run was made with; they stand in its journal. Without any this
    is `gp`. A proposal's `why` says how much weight they had together, under `earlier`.
    """

    name = "transfer"

    def __init__(self, first: int = 2, startup: int = 5, budget: int = 100) -> None:
        for option, value, least in (
            ("first", first, 0),
            ("startup", startup, 0),
            ("budget", budget, 1),
        ):
            require_whole(f"proposer.{option}", value, least)
        self.first, self.startup, self.budget = first, startup, budget
        self._tools = Toolbox()
        self._cold, self._sobol, self._random = GpProposer(), SobolProposer(), RandomProposer()
        self._earlier = Memo(_Earlier)

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        if space.pool is not None:
            raise InputError("proposer.type", "'transfer' is not for pools", "use gp or pool")
        if not history.created.get(PRIOR):
            return self._cold.propose(space, history, n, seed=seed)
        try:
            tools = self._tools.of(space)
            earlier = self._earlier(tools, history.created, history.targets[0])
            start = self._from_start(tools, earlier, history, n)
            if len(start) < n:
                ahead = foreseen(history, start) if start else history
                start += self._after_start(tools, earlier, ahead, n - len(start), seed)
            return start
        except FitFailed as failure:
            return self._random.instead(space, history, n, seed=seed, failure=failure)

    def _from_start(
        self, tools: SpaceTools, earlier: _Earlier, history: History, n: int
    ) -> list[Proposal]:
        """What was not asked for yet of the best points of earlier runs."""
        taken = self._tools.taken(tools.space, history)
        out: list[Proposal] = []
        for point in earlier.best(self.first, run_seed(history)):
            if len(out) < n and tools.key(point) not in taken:
                taken.add(tools.key(point))
                out.append(Proposal(point, why={"rule": "best of earlier runs"}))
        return out

    def _after_start(
        self, tools: SpaceTools, earlier: _Earlier, history: History, n: int, seed: int
    ) -> list[Proposal]:
        known = history.count(State.COMPLETE)
        if len(history.trials) < self.startup or known < LEAST_DATA:
            return self._sobol.propose(tools.space, history, n, seed=seed)
        taken = self._tools.taken(tools.space, history)
        if tools.exhausted(taken):
            return []
        left = max(0.0, 1.0 - len(history.trials) / self.budget)
        model = _Model(tools, earlier, history, left, generator(seed, 0, 0))
        place = len(history.trials)
        return tools.batch(n, taken, seed, lambda i, rng: model.next(place + i, taken, rng))


class _Earlier:
    """The earlier runs that a run was made with, and a model of each: fitted once. One that cannot be
    fitted has no say."""

    def __init__(self, tools: SpaceTools, created: Mapping[str, Any], target: Target) -> None:
        self._tools = tools
        self._runs: list[PriorRun] = []
        self.beliefs: list[PriorBelief] = []
        for raw in created[PRIOR]:
            run = PriorRun.from_dict(raw)
            try:
                self.beliefs.append(belief_of(tools, run, target))
            except FitFailed:
                continue
            self._runs.append(run)
        self._best = Memo(lambda n, seed: best_points(tools, self._runs, self.beliefs, n, seed))

    def best(self, n: int, seed: int) -> list[dict[str, Any]]:
        return self._best(n, seed)


class _Model(SpaceBelief[Posterior]):
    """What is believed now, by this run's model and those of earlier ones."""

    def __init__(
        self,
        tools: SpaceTools,
        earlier: _Earlier,
        history: History,
        left: float,
        rng: np.random.Generator,
    ) -> None:
        target = history.targets[0]
        data = of_space(history, target)
        data = data.only(kept_rows(data.y))
        X = torch.from_numpy(tools.rows(data.trials))
        process = GaussianProcess(groups=tools.encoding.groups)
        own = fit_pooled(process, X, data)
        weights = ranking_weights(own, earlier.beliefs, X, data.y, left, rng)
        self._weight = round(float(weights[:-1].sum()), 3)
        posterior = on_top(process, X, data, earlier.beliefs, weights, own.units)
        believed = torch.from_numpy(tools.rows(data.believed))
        super().__init__(tools, target, posterior, data.trials, believed)

    def next(self, place: int, taken: set[str], rng: np.random.Generator) -> Proposal | None:
        """As `propose`, saying how much weight the earlier runs had."""
        found = self.propose(ALTERNATE, place, BETA, taken, rng)
        return found and Proposal(found.params, why={**found.why, "earlier": self._weight})
