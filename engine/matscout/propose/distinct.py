"""No point twice (promise R6): what a history has taken, and where to go when a draw is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.propose.encode import Encoding
from matscout.propose.sampling import Point, Sampler, canonical
from matscout.space import Space
from matscout.trial import Value

LISTED_AT_MOST = 100_000
"""Up to so many points a space is listed in full when draws keep hitting what is taken."""


class Taken:
    """Keys of every point that a history has ever asked for, however it ended.

    Follows a history that grows; trials are never removed and their params never change.
    """

    def __init__(self, space: Space, history: History) -> None:
        self._space, self._history = space, history
        self._keys: set[str] = set()
        self._seen = 0

    def keys(self) -> set[str]:
        """A copy, to be added to while a batch is put together."""
        for trial in self._history.trials[self._seen :]:
            self._keys.add(key(self._space, trial.params))
        self._seen = len(self._history.trials)
        return set(self._keys)


def key(space: Space, params: Mapping[str, Value]) -> str:
    """The same text for the same point: parameters that exist, values as the space holds them."""
    return space.key(canonical(space, params))


class Finder:
    """Points of one space that are not taken."""

    def __init__(self, sampler: Sampler, encoding: Encoding) -> None:
        self._sampler, self._encoding = sampler, encoding
        self._space = sampler.space

    def first_new(
        self, draw: Callable[[int], Point | None], taken: set[str], tries: int
    ) -> tuple[Point | None, Point | None]:
        """The first of draw(0), draw(1), … that is not taken, and the last draw there was."""
        last: Point | None = None
        for attempt in range(tries):
            point = draw(attempt)
            if point is not None:
                last = point
                if key(self._space, point) not in taken:
                    return point, last
        return None, last

    def near(self, wanted: Point | None, taken: set[str], rng: np.random.Generator) -> Point | None:
        """The point nearest to `wanted` that is not taken (any, without `wanted`), or None.

        None means that the space is exhausted, or so nearly that thousands of draws found nothing.
        """
        if self.listed is not None:
            return self._nearest_listed(wanted, taken, rng)
        for attempt in range(20):
            crowd = self._sampler.uniform(100, rng)
            if wanted is not None and attempt < 10:
                crowd = list(self._sampler.neighbours(wanted, rng)) + crowd
            free = [point for point in crowd if key(self._space, point) not in taken]
            if free:
                return free[self._closest(wanted, self._encoding.rows(free))]
        return None

    @cached_property
    def listed(self) -> list[Point] | None:
        """Every point, where there are few enough."""
        count = self._space.count
        return None if count is None or count > LISTED_AT_MOST else list(self._space.points())

    @cached_property
    def listed_keys(self) -> list[str]:
        return [key(self._space, point) for point in self.listed or ()]

    @cached_property
    def listed_rows(self) -> NDArray[np.float64]:
        """(number of points, columns)"""
        return self._encoding.rows(self.listed or [])

    def _nearest_listed(
        self, wanted: Point | None, taken: set[str], rng: np.random.Generator
    ) -> Point | None:
        assert self.listed is not None
        free = [index for index, k in enumerate(self.listed_keys) if k not in taken]
        if not free:
            return None
        if wanted is None:
            return dict(self.listed[free[int(rng.integers(len(free)))]])
        return dict(self.listed[free[self._closest(wanted, self.listed_rows[free])]])

    def _closest(self, wanted: Point | None, rows: NDArray[np.float64]) -> int:
        if wanted is None:
            return 0
        gap = rows - self._encoding.rows([wanted])
        return int(np.square(gap).sum(axis=1).argmin())
