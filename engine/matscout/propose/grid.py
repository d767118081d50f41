"""Every point of a grid, once, in a shuffled order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from matscout.errors import InputError, require_whole
from matscout.history import History
from matscout.parameter import Float, Parameter
from matscout.propose.distinct import LISTED_AT_MOST
from matscout.propose.memo import Memo
from matscout.propose.sampling import Point
from matscout.propose.toolbox import SpaceTools, Toolbox, generator, run_seed
from matscout.space import Space
from matscout.trial import Proposal, Value


class GridProposer:
    """A parameter that lists at most `points` values gives them all, any other one `points` values at
    equal distances on its own scale (the log one, where it has that), ends included.

    What does not exist under the others' values is not varied; what a constraint forbids is left out,
    but where a sum has to be kept by real numbers, grid points are moved to the nearest that keep it.
    The run's seed shuffles the order: a grid that is left half done has been everywhere a little.
    """

    name = "grid"

    def __init__(self, points: int = 5) -> None:
        require_whole("proposer.points", points, 2)
        self.points = points
        self._tools = Toolbox()
        self._order = Memo(self._shuffled)

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        if space.pool is not None:
            raise InputError("proposer", "grid cannot choose from a pool", "use random or sobol")
        tools, taken = self._tools.of(space), self._tools.taken(space, history)
        left = (
            point
            for key, point in self._order(tools, run_seed(history)).items()
            if key not in taken
        )
        return [Proposal(dict(p), why={"rule": self.name}) for p in islice(left, n)]

    def _shuffled(self, tools: SpaceTools, seed: int) -> dict[str, Point]:
        """Every grid point by its key."""
        points = list(self._points(tools))
        order = generator(seed, 0).permutation(len(points))
        return {tools.key(points[k]): points[k] for k in order}

    def _points(self, tools: SpaceTools) -> Iterator[Point]:
        space = tools.space
        levels = [self._levels(p) for p in space.parameters]
        count = int(np.prod([float(len(values)) for values in levels]))
        if count > LISTED_AT_MOST:
            what = f"the grid has {count:.3g} points, and at most {LISTED_AT_MOST:,} are listed"
            raise InputError("proposer.points", what, "use fewer, or type qmc")
        moved = _sums_of_continua(space)

        def extend(index: int, point: Point) -> Iterator[Point]:
            if index == len(space.parameters):
                if space.satisfied(point):
                    yield point
                elif moved:
                    near = tools.sampler.repair(point, generator(0))
                    if near is not None:
                        yield near
            elif not space.is_active(space.parameters[index], point):
                yield from extend(index + 1, point)
            else:
                name = space.parameters[index].name
                for value in levels[index]:
                    yield from extend(index + 1, {**point, name: value})

        return extend(0, {})

    def _levels(self, parameter: Parameter) -> list[Value]:
        count = parameter.count
        if count is not None and count <= self.points:
            return list(parameter.values())
        if parameter.type == "categorical":
            return list(parameter.values())  # labels have no order to be thinned out along
        units = np.linspace(0.0, 1.0, self.points).tolist()
        return list(dict.fromkeys(parameter.from_unit(unit) for unit in units))


def _sums_of_continua(space: Space) -> bool:
    """Whether a sum is to be kept exactly by parameters of which one at least is a continuum."""
    exact = [c for c in space.constraints if c.op == "=="]
    names = {name for constraint in exact for name in constraint.parameters}
    return any(isinstance(p := space.by_name[n], Float) and p.step is None for n in names)
