"""Constraints on parameters that exist in some branches only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from matscout.constraint import Constraint, Linear
from matscout.errors import InputError
from matscout.parameter import Float, Int, Parameter
from matscout.propose.region import Region
from matscout.space import Space
from matscout.trial import Value

_TRIES = 40
_BRANCHES = 64
"""So many random points are looked at before no branch is said to be possible."""


class Branches:
    """As `Region`, with one region for each set of parameters that may exist together.

    A constraint counts where all of its parameters exist. `draw` gives random points that know
    nothing of constraints. InputError where no branch that it meets leaves a point.
    """

    def __init__(
        self, space: Space, draw: Callable[[np.random.Generator], dict[str, Value]]
    ) -> None:
        self.space, self._draw = space, draw
        named = {name for c in space.constraints for name in c.parameters}
        self._named = [p for p in space.parameters if p.name in named]
        self._regions: dict[tuple[str, ...], Region | InputError | None] = {}
        rng = np.random.default_rng(0)
        met = [self._of(draw(rng)) for _ in range(_BRANCHES)]
        if all(isinstance(region, InputError) for region in met):
            raise InputError("space.constraints", "no point satisfies all of them", "loosen one")

    def sample(self, n: int, rng: np.random.Generator) -> list[dict[str, Value]]:
        """Up to n points; fewer where those that keep the constraints are too rare to be met."""
        out: list[dict[str, Value]] = []
        for _ in range(_TRIES):
            out += self._draws(n - len(out), rng)
            if len(out) == n:
                break
        return out

    def moves(
        self, params: Mapping[str, Value], n: int, most: float, rng: np.random.Generator
    ) -> Iterator[dict[str, Value]]:
        """Allowed values at random places within distance `most` (of 1) from `params`."""
        region = self._of(params)
        if isinstance(region, Region):
            yield from region.moves(params, n, most, rng)

    def repair(
        self, params: Mapping[str, Value], rng: np.random.Generator
    ) -> dict[str, Value] | None:
        """Allowed values near `params`, which may break the constraints; None if not found."""
        region = self._of(params)
        return region.repair(params, rng) if isinstance(region, Region) else None

    def _draws(self, n: int, rng: np.random.Generator) -> Iterator[dict[str, Value]]:
        """Random points, of each branch as many as n draws met: up to n."""
        met: dict[int, tuple[Region | InputError | None, list[dict[str, Value]]]] = {}
        for _ in range(n):
            point = self._draw(rng)
            region = self._of(point)
            met.setdefault(id(region), (region, []))[1].append(point)
        for region, points in met.values():
            if isinstance(region, InputError):
                continue
            drawn = [{} for _ in points] if region is None else region.sample(len(points), rng)
            for point, values in zip(points, drawn, strict=False):
                # A constrained parameter may be one on which others hang.
                if self._stands(inside := {**point, **values}):
                    yield inside

    def _of(self, params: Mapping[str, Value]) -> Region | InputError | None:
        """Where the constrained parameters of `params` may lie. None if it has none of them, an error
        if they have no room."""
        there = [p for p in self._named if p.name in params]
        key = tuple(p.name for p in there)
        if key not in self._regions:
            self._regions[key] = self._region(there)
        return self._regions[key]

    def _region(self, there: list[Parameter]) -> Region | InputError | None:
        if not there:
            return None
        names = {p.name for p in there}
        count: list[Constraint] = [
            c for c in self.space.constraints if names.issuperset(c.parameters)
        ]
        # A region is over the parameters that constraints name: here also those set free.
        free = names - {name for c in count for name in c.parameters}
        count += [Linear({p.name: 1.0}, "<=", _high(p)) for p in there if p.name in free]
        try:
            return Region(Space(tuple(replace(p, when={}) for p in there), tuple(count)))
        except InputError as error:
            return error

    def _stands(self, point: Mapping[str, Value]) -> bool:
        exist = [p.name for p in self.space.parameters if self.space.is_active(p, point)]
        return set(exist) == set(point) and self.space.satisfied(point)


def _high(parameter: Parameter) -> float:
    if isinstance(parameter, Float | Int):
        return float(parameter.high)
    return float(max(v for v in parameter.values() if not isinstance(v, str)))
