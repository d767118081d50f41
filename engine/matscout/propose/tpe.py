"""Tree-structured Parzen estimator: Optuna's, over our history."""

from __future__ import annotations

from functools import partial

import numpy as np
from optuna.samplers import TPESampler

from matscout.errors import InputError, require_whole
from matscout.history import History
from matscout.propose.memo import Memo
from matscout.propose.optuna_study import StudyMirror, Tpe
from matscout.propose.sampling import Point
from matscout.propose.toolbox import Toolbox, generator
from matscout.space import Space
from matscout.trial import Proposal, Value

REDRAWS = 4
"""Where the model has made up its mind, more draws hit the same taken points: the nearest new point
is then as good a guess, and cheaper."""


FRESH = 64
"""Of a batch, so many times fewer than the trials that are known share one estimate of the densities:
they count each other as running only then. With 64 trials or more in hand, that one more is running
moves a density by less than 1 in 64, while estimating it is most of what a suggestion costs (with 4,000
trials told and 1,920 running 27 of 32 ms)."""


MOST_CANDIDATES = 1_000_000
"""They are all drawn at once: more is a slip of the finger, and fills the memory."""


class TpeProposer:
    """Random until `startup` trials are complete or pruned, then TPE (Bergstra et al. 2011; the
    multivariate form, with constant liar for what is pending, as Optuna 5 has it by default).

    `candidates` is how many points are drawn from the good density for each suggestion. Failed and
    invalid trials are not learned from. Pools have no density to estimate: refused.
    """

    name = "tpe"

    def __init__(self, startup: int = 10, candidates: int = 24) -> None:
        require_whole("proposer.startup", startup, 0)
        require_whole("proposer.candidates", candidates, 1, MOST_CANDIDATES)
        self.startup, self.candidates = startup, candidates
        self._sampler = Tpe(candidates)
        self._tools = Toolbox()
        self._mirror = Memo(StudyMirror)

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        if space.pool is not None:
            raise InputError("proposer", "tpe cannot choose from a pool", "use gp or random")
        tools, taken = self._tools.of(space), self._tools.taken(space, history)
        mirror = self._mirror(space, history)
        mirror.sync()
        random = mirror.usable < self.startup
        share = max(1, len(mirror.storage.rows) // FRESH)
        out: list[Proposal] = []
        for i in range(n):
            if i % share == 0:
                self._sampler.forget()
            if random:
                point = tools.random_new(taken, generator(seed, i))
            else:
                point = tools.modelled_new(partial(self._draw, mirror), taken, seed, i, REDRAWS)
            if point is None:
                break
            taken.add(tools.key(point))
            why: dict[str, Value] = {"rule": "random" if random else self.name}
            out.append(Proposal(point, why=why))
            if i + 1 < n:
                mirror.lend(point)
        return out

    def _draw(self, mirror: StudyMirror, rng: np.random.Generator) -> Point:
        return suggest(self._sampler.reseeded(int(rng.integers(2**32))), mirror)


def suggest(sampler: TPESampler, mirror: StudyMirror) -> Point:
    """One draw, group by group: what exists is decided by what was drawn before."""
    space = mirror.space
    study, trial = mirror.study(sampler), mirror.storage.rows[0]
    drawn: dict[str, Value] = {}
    groups = {name: group for group in mirror.groups for name, _ in group}
    point: Point = {}
    for parameter in space.parameters:
        if not space.is_active(parameter, point):
            continue
        coding = mirror.codings[parameter.name]
        if coding.distribution.single():
            point[parameter.name] = coding.decode(0)
            continue
        if parameter.name not in drawn:
            drawn |= sampler.sample_relative(study, trial, dict(groups[parameter.name]))
        point[parameter.name] = coding.decode(drawn[parameter.name])
    return point
