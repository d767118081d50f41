"""At random, without repeats. Every comparison needs it."""

from __future__ import annotations

import numpy as np

from matscout.errors import one_line
from matscout.history import History
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.memo import Memo
from matscout.propose.toolbox import Toolbox, generator
from matscout.space import Space
from matscout.trial import Proposal


class RandomProposer:
    """Uniform over the space (on the log scale where a parameter has one), or over what is left of
    the pool. On grids with sums to keep it is close to uniform, not exactly.
    """

    name = "random"

    def __init__(self) -> None:
        self._tools = Toolbox()
        self._candidates = Memo(Candidates)

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        if space.pool is not None:
            return self._from_pool(space.pool, history, n, seed)
        tools, taken = self._tools.of(space), self._tools.taken(space, history)
        out: list[Proposal] = []
        for i in range(n):
            point = tools.random_new(taken, generator(seed, i))
            if point is None:
                break
            taken.add(tools.key(point))
            out.append(Proposal(point, why={"rule": self.name}))
        return out

    def instead(
        self, space: Space, history: History, n: int, *, seed: int, failure: Exception
    ) -> list[Proposal]:
        """`propose` where a model failed; each proposal says so under `fallback`."""
        reason = one_line(str(failure))
        plain = self.propose(space, history, n, seed=seed)
        return [Proposal(p.params, p.candidate, {**p.why, "fallback": reason}) for p in plain]

    def _from_pool(self, pool: Pool, history: History, n: int, seed: int) -> list[Proposal]:
        candidates = self._candidates(pool)
        left = np.flatnonzero(candidates.free(history))
        drawn = generator(seed, 0).permutation(left)[:n]
        return [candidates.proposal(int(row), {"rule": self.name}) for row in drawn]
