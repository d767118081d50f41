"""What every proposer over parameters needs of a space and a history, derived once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.propose.distinct import Finder, Taken, key
from matscout.propose.encode import Encoding
from matscout.propose.memo import Memo
from matscout.propose.sampling import Point, Sampler, canonical
from matscout.space import Space
from matscout.trial import Proposal, Trial


class SpaceTools:
    """The sampler, encoding and finder of one space."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.sampler = Sampler(space)
        self.encoding = Encoding(space)
        self.finder = Finder(self.sampler, self.encoding)

    def random_new(self, taken: set[str], rng: np.random.Generator) -> Point | None:
        """A random point that is not taken, or None where there is none."""
        if self.exhausted(taken):
            return None
        point, _ = self.finder.first_new(lambda _: self.draw(rng), taken, tries=20)
        return point if point is not None else self.finder.near(None, taken, rng)

    def batch(
        self,
        n: int,
        taken: set[str],
        seed: int,
        next_of: Callable[[int, np.random.Generator], Proposal | None],
    ) -> list[Proposal]:
        """Up to n proposals, each added to `taken`: what `next_of` says of place i in the batch, and a
        random new point where that is nothing."""
        out: list[Proposal] = []
        for i in range(n):
            rng = generator(seed, i)
            proposal = next_of(i, rng)
            if proposal is None:
                point = self.random_new(taken, rng)
                if point is None:
                    break
                proposal = Proposal(point, why={"rule": "random"})
            taken.add(key(self.space, proposal.params))
            out.append(proposal)
        return out

    def modelled_new(
        self,
        draw: Callable[[np.random.Generator], Point],
        taken: set[str],
        seed: int,
        place: int,
        redraws: int,
    ) -> Point | None:
        """A point that a model draws and that is not taken, moved to where the constraints hold; the
        nearest new one after `redraws` that are taken. None where there is none."""

        def repaired(attempt: int) -> Point | None:
            rng = generator(seed, place, attempt)
            return self.sampler.repair(draw(rng), rng)

        point, wanted = self.finder.first_new(repaired, taken, redraws)
        if point is not None:
            return point
        return self.finder.near(wanted, taken, generator(seed, place, redraws))

    def rows(self, trials: Iterable[Trial]) -> NDArray[np.float64]:
        """The encoded points of trials, (n, D)."""
        return self.encoding.rows([canonical(self.space, t.params) for t in trials])

    def exhausted(self, taken: set[str]) -> bool:
        return self.space.count is not None and len(taken) >= self.space.count

    def key(self, point: Point) -> str:
        return key(self.space, point)

    def draw(self, rng: np.random.Generator) -> Point | None:
        points = self.sampler.uniform(1, rng)
        return points[0] if points else None


class Toolbox:
    """Memoised `SpaceTools` and taken keys, for a proposer to hold."""

    def __init__(self) -> None:
        self.of = Memo(SpaceTools)
        self._taken = Memo(Taken)

    def taken(self, space: Space, history: History) -> set[str]:
        """Keys of every point asked for so far; a copy."""
        return self._taken(space, history).keys()


def generator(seed: int, *place: int) -> np.random.Generator:
    """The generator for one place within an ask (which proposal of the batch, which try)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


def run_seed(history: History) -> int:
    """The seed the run was created with; 0 where it names none."""
    seed = history.created.get("seed", 0)
    return seed if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 else 0
