"""Bayesian optimisation with a Gaussian process, in spaces of parameters and in pools."""

from __future__ import annotations

import math
from typing import Any

from matscout.errors import InputError, did_you_mean, require_whole
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.acquisitions import ALTERNATE, NAMED
from matscout.propose.candidates import Candidates
from matscout.propose.gp_front import FrontModel
from matscout.propose.gp_pool import PoolModel
from matscout.propose.gp_space import SpaceModel
from matscout.propose.instead import FAILURES, Instead
from matscout.propose.measured_cost import check_cost, measured_cost
from matscout.propose.memo import Memo
from matscout.propose.observations import of_pool
from matscout.propose.random import RandomProposer
from matscout.propose.sobol import SobolProposer
from matscout.propose.toolbox import Toolbox
from matscout.space import Space
from matscout.trial import Proposal

LEAST_DATA = 2
"""Values needed before a model says more than chance, however many trials were asked for."""

STARTS = {"sobol": SobolProposer, "random": RandomProposer}


class GpProposer:
    """The first `startup` trials by `start`, then the highest `acquisition` under a Gaussian
    process of the first target (see surrogate/gp.py for its prior).

    startup      trials before the model decides
    acquisition  lcb, log_ei, sd or alternate (log_ei and lcb in turn). Unset: alternate over
                 parameters, lcb in a pool
    beta         how many sd the lcb looks beyond the mean. Unset: 2 over parameters, 1 in a pool
    start        sobol or random. Unset: sobol over parameters, random in a pool, where a
                 space-filling start costs experiments on small tables
    cost         over parameters: seek the most expected improvement per predicted cost, learned from
                 the trials' cost_s
    budget_s     with cost: what all trials may cost; cost counts less and less as it is spent

    Over parameters several targets and limits are scored together, with a process for each: gp_front.py.

    The defaults are those that did best over recorded tuning tables and experiments. What is
    pending, and every earlier proposal of the batch, is taken to have come out as expected
    (kriging believer). Where no model can be fitted the proposal is one of TPE's, or of Sobol's where
    that fails too (in a pool a random one), and says so.
    """

    name = "gp"

    def __init__(
        self,
        startup: int = 10,
        acquisition: str | None = None,
        beta: float | None = None,
        start: str | None = None,
        cost: bool = False,
        budget_s: float | None = None,
    ) -> None:
        _check(startup, acquisition, beta, start)
        check_cost(cost, budget_s, acquisition)
        self.startup, self.acquisition, self.beta, self.start = startup, acquisition, beta, start
        self.cost, self.budget_s = cost, budget_s
        self._tools = Toolbox()
        self._candidates = Memo(Candidates)
        self._instead = Instead()
        self._starts = {name: make() for name, make in STARTS.items()}

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        started = max(0, self.startup - len(history.trials))
        if started or len(history.completed) < LEAST_DATA:
            # What remains of the start is all that is known to be worth asking without data.
            return self._start(space).propose(space, history, n, seed=seed)
        try:
            if space.pool is not None:
                return self._from_pool(space.pool, history, n)
            return self._from_space(space, history, n, seed)
        except FAILURES as failure:
            return self._instead.propose(space, history, n, seed=seed, failure=failure)

    def _start(self, space: Space) -> Any:
        default = "sobol" if space.pool is None else "random"
        return self._starts[self.start or default]

    def _from_space(self, space: Space, history: History, n: int, seed: int) -> list[Proposal]:
        tools, taken = self._tools.of(space), self._tools.taken(space, history)
        if tools.exhausted(taken):
            return []
        cost = measured_cost(tools, history, self.startup, self.budget_s) if self.cost else None
        if len(history.targets) > 1 or history.limits:
            front = FrontModel(tools, history, seed, cost)
            return tools.batch(n, taken, seed, lambda _, rng: front.propose(taken, rng))
        target = history.targets[0]
        model = SpaceModel(tools, history, target)
        beta = 2.0 if self.beta is None else self.beta
        rule, place = self.acquisition or ALTERNATE, len(history.trials)
        if cost is not None:
            rule = "log_ei"  # a bound may be negative: half as good means nothing for it
        return tools.batch(
            n, taken, seed, lambda i, rng: model.propose(rule, place + i, beta, taken, rng, cost)
        )

    def _from_pool(self, pool: Pool, history: History, n: int) -> list[Proposal]:
        if self.cost:
            what = "gp learns costs over parameters only"
            raise InputError("proposer.cost", what, "over a pool use type pool, and name a column")
        candidates = self._candidates(pool)
        if not candidates.unit.shape[1]:
            raise InputError(
                "space.pool.features", "gp needs a numeric feature that varies", "or use random"
            )
        target = history.targets[0]
        free = candidates.free(history)
        if not free.any():
            return []
        beta = 1.0 if self.beta is None else self.beta
        data = of_pool(history, target)
        model = PoolModel(candidates, data, target, self.acquisition or "lcb", beta)
        picks = model.picks(len(history.trials), free, n)
        return [candidates.proposal(row, why) for row, why in picks]


def _check(startup: Any, acquisition: Any, beta: Any, start: Any) -> None:
    require_whole("proposer.startup", startup, 0)
    names = [*NAMED, ALTERNATE]
    if acquisition is not None and acquisition not in names:
        mend = did_you_mean(str(acquisition), names)
        raise InputError("proposer.acquisition", f"unknown {acquisition!r}", mend)
    if start is not None and start not in STARTS:
        raise InputError("proposer.start", f"unknown {start!r}", did_you_mean(str(start), STARTS))
    number = isinstance(beta, int | float) and not isinstance(beta, bool)
    if beta is not None and not (number and math.isfinite(beta) and beta >= 0):
        raise InputError("proposer.beta", f"must be a number ≥ 0, got {beta!r}")
