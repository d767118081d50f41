"""Evenly spread points: a scrambled Sobol sequence."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from matscout.history import History
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.memo import Memo
from matscout.propose.sampling import Point
from matscout.propose.toolbox import SpaceTools, Toolbox, generator, run_seed
from matscout.space import Space
from matscout.trial import Proposal

MOST_DIMENSIONS = 21_201
"""Of scipy's Sobol sequence (Joe and Kuo 2008). Beyond, points are random."""

_TAKEN_AHEAD = 64
"""How many points in a row may be taken before one is drawn at random instead: in a small space
the sequence comes back to its points, and the more often the fuller it is."""

_FORBIDDEN_AHEAD = 4096
"""How many points constraints may forbid before the sequence is given up as useless there."""


Points = Callable[[int, int, int], NDArray[np.float64]]
"""(width, scramble, n) → the first n points, (n, width) in [0, 1)."""


class SobolProposer:
    """The k-th trial gets the k-th allowed point of one sequence, Owen-scrambled.

    `scramble_seed` fixes the sequence; without it, the run's own seed does. The ask's seed is used
    only where the sequence cannot be followed (constraints that leave it nothing). In a pool it is
    the free candidate nearest to the point, in min-max scaled features.
    """

    name = "sobol"

    def __init__(self, scramble_seed: int | None = None) -> None:
        self.scramble_seed = scramble_seed
        self._tools = Toolbox()
        self._candidates = Memo(Candidates)
        self._sequence = Memo(lambda tools, seed: _Sequence(tools, seed, self._points))

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        scramble = self.scramble_seed if self.scramble_seed is not None else run_seed(history)
        if space.pool is not None:
            return self._from_pool(space.pool, history, n, seed, scramble)
        tools, taken = self._tools.of(space), self._tools.taken(space, history)
        allowed = self._sequence(tools, scramble)
        out: list[Proposal] = []
        place = len(history.trials)
        for i in range(n):
            point = None
            for _ in range(0 if tools.exhausted(taken) else _TAKEN_AHEAD):
                ahead = allowed.point(place)
                if ahead is None:
                    break
                place += 1
                if tools.key(ahead) not in taken:
                    point = ahead
                    break
            if point is None:
                point = tools.random_new(taken, generator(seed, i))
            if point is None:
                break
            taken.add(tools.key(point))
            out.append(Proposal(point, why={"rule": self.name}))
        return out

    def _from_pool(
        self, pool: Pool, history: History, n: int, seed: int, scramble: int
    ) -> list[Proposal]:
        candidates = self._candidates(pool)
        free, unit = candidates.free(history), candidates.unit
        first, width = len(history.trials), unit.shape[1]
        if not 0 < width <= MOST_DIMENSIONS:
            wanted = generator(seed, 0).random((n, width))
        else:
            wanted = self._points(width, scramble, first + n)[first:]
        out: list[Proposal] = []
        for point in wanted[: int(free.sum())]:
            gap = np.square(unit - point).sum(axis=1)
            row = int(np.where(free, gap, np.inf).argmin())
            free[row] = False
            out.append(candidates.proposal(row, {"rule": self.name}))
        return out

    def _points(self, width: int, scramble: int, n: int) -> NDArray[np.float64]:
        """The first n of the sequence that is followed."""
        return sequence(width, scramble, n)


class _Sequence:
    """The points of the sequence that are allowed, found as far as they have been asked for."""

    def __init__(self, tools: SpaceTools, scramble: int, points: Points) -> None:
        self._tools, self._scramble, self._points = tools, scramble, points
        self._allowed: list[Point] = []
        self._scanned = 0

    def point(self, place: int) -> Point | None:
        """The `place`-th allowed point; None where the sequence meets too few."""
        width = len(self._tools.space.parameters)
        while len(self._allowed) <= place:
            enough = 64 * len(self._allowed) + _FORBIDDEN_AHEAD
            if self._scanned >= enough or width > MOST_DIMENSIONS:
                return None
            grown = max(64, 2 * self._scanned)
            for unit in self._points(width, self._scramble, grown)[self._scanned :].tolist():
                point = self._tools.sampler.at(unit)
                if point is not None:
                    self._allowed.append(point)
            self._scanned = grown
        return self._allowed[place]


def sequence(width: int, scramble: int, n: int) -> NDArray[np.float64]:
    """The first n points, (n, width) in [0, 1); a longer sequence begins with a shorter one."""
    with warnings.catch_warnings():
        # Balance needs powers of 2; a sequence that is followed trial by trial passes through them.
        warnings.simplefilter("ignore", UserWarning)
        points = qmc.Sobol(width, scramble=True, rng=scramble).random(n)
    return np.asarray(points, dtype=np.float64)
