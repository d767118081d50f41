"""Points of a space: from a unit cube, at random, near a point. Every one is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from matscout.constraint import Simplex
from matscout.parameter import Float, Parameter, same
from matscout.propose.branches import Branches
from matscout.propose.region import Region
from matscout.space import Space
from matscout.trial import Value

Point = dict[str, Value]


class Sampler:
    """Draws points of one space. Carries no randomness: every method is given its generator."""

    def __init__(self, space: Space) -> None:
        self.space = space
        bound = {name for c in space.constraints for name in c.parameters}
        self.constrained = bound
        self.region = self._region() if bound else None
        self._simplices = [c for c in space.constraints if isinstance(c, Simplex) and self._maps(c)]
        # Without an unmapped equality, a fair share of the cube may be allowed: worth trying first.
        self._cube_may_hit = not any(
            (isinstance(c, Simplex) and c not in self._simplices)
            or (not isinstance(c, Simplex) and c.op == "==")
            for c in space.constraints
        )

    def at(self, unit: Sequence[float]) -> Point | None:
        """The point at `unit`, one coordinate in [0, 1) a parameter; None where not allowed.

        Uniform `unit` gives uniform points, on simplices too. Coordinates of parameters that do not
        exist there are not used.
        """
        names = [p.name for p in self.space.parameters]
        set_by_sum: Point = {}
        for simplex in self._simplices:
            share = self._on_simplex(simplex, [unit[names.index(n)] for n in simplex.parameters])
            if share is None:
                return None
            set_by_sum |= share
        point: Point = {}
        for parameter, u in zip(self.space.parameters, unit, strict=True):
            if parameter.name in set_by_sum:
                point[parameter.name] = set_by_sum[parameter.name]
            elif self.space.is_active(parameter, point):
                point[parameter.name] = value_at(parameter, u)
        return point if self.space.satisfied(point) else None

    def uniform(self, n: int, rng: np.random.Generator) -> list[Point]:
        """n random points; fewer only where constraints on grids leave too few to be met."""
        out: list[Point] = []
        width = len(self.space.parameters)
        while self._cube_may_hit and len(out) < n:
            tried = n - len(out)
            points = (self.at(unit) for unit in rng.random((tried, width)).tolist())
            found = [point for point in points if point is not None]
            out += found
            if len(found) < 0.1 * tried:
                break
        if len(out) < n and self.region is not None:
            for values in self.region.sample(n - len(out), rng):
                out.append(self.fill(values, rng))
        return out

    def fill(self, some: Mapping[str, Value], rng: np.random.Generator) -> Point:
        """`some` values completed to a point: the rest at random, what does not exist left out."""
        point: Point = {}
        for parameter in self.space.parameters:
            if self.space.is_active(parameter, point):
                held = some.get(parameter.name)
                point[parameter.name] = (
                    held if held is not None else value_at(parameter, float(rng.random()))
                )
        return point

    def repair(self, params: Mapping[str, Value], rng: np.random.Generator) -> Point | None:
        """`params`, made to keep the constraints by the smallest change found; None if none is."""
        if self.region is None or self.space.satisfied(params):
            return dict(params)
        values = self.region.repair(params, rng)
        return None if values is None else self._within({**params, **values}, rng)

    def moves(
        self, point: Mapping[str, Value], n: int, most: float, rng: np.random.Generator
    ) -> Iterator[Point]:
        """Up to n points in which the constrained parameters of `point` moved at random, within
        distance `most` of their ranges."""
        for moved in self.region.moves(point, n, most, rng) if self.region is not None else ():
            near = self._within({**point, **moved}, rng)
            if near is not None:
                yield near

    def neighbours(self, point: Mapping[str, Value], rng: np.random.Generator) -> Iterator[Point]:
        """Points that differ from `point` in one listed value, and in what hangs on it."""
        for parameter in self.space.parameters:
            if parameter.name not in point or parameter.name in self.constrained:
                continue
            for value in self._other_values(parameter, point[parameter.name]):
                near = self.repair(self.fill({**point, parameter.name: value}, rng), rng)
                if near is not None:
                    yield near

    def _region(self) -> Region | Branches:
        if any(self.space.by_name[name].when for name in self.constrained):
            return Branches(self.space, lambda rng: self.fill({}, rng))
        return Region(self.space)

    def _within(self, moved: Point, rng: np.random.Generator) -> Point | None:
        """`moved`, with what exists now and without what no longer does: a constrained parameter may
        be one that others hang on."""
        if not self.space.conditional:
            return moved
        whole = self.fill(moved, rng)
        return whole if self.space.satisfied(whole) else None

    def _other_values(self, parameter: Parameter, value: Value) -> Iterator[Value]:
        if parameter.count is None:
            return
        values = self._listed.get(parameter.name)
        if values is None:  # too many to list: steps of 1, 2, 4, … on its own scale
            here, step = parameter.cell(value), 1.0 / parameter.count  # type: ignore[arg-type]
            while step < 1.0:
                for unit in (here - step, here + step):
                    if 0.0 <= unit <= 1.0 and (other := parameter.from_unit(unit)) != value:
                        yield other
                step *= 2.0
        else:
            here = values.index(value) if parameter.type != "categorical" else 0
            jumps = {2**k for k in range(16)}
            for index, other in enumerate(values):
                near = parameter.type == "categorical" or abs(index - here) in jumps
                if near and not same(other, value):
                    yield other

    @cached_property
    def _listed(self) -> dict[str, list[Value]]:
        return {
            p.name: list(p.values())
            for p in self.space.parameters
            if p.count is not None and p.count <= 1000
        }

    def _maps(self, simplex: Simplex) -> bool:
        """Whether the cube maps onto `simplex`: it does when its parameters are plain continua."""
        return all(
            isinstance(p := self.space.by_name[name], Float) and p.step is None and not p.log
            for name in simplex.parameters
        )

    def _on_simplex(self, simplex: Simplex, unit: Sequence[float]) -> Point | None:
        """Exponential spacings: uniform on the simplex (Devroye 1986, theorem V.2.2)."""
        parts = [-math.log1p(-u) for u in unit]
        whole = sum(parts)
        parameters = [self.space.by_name[name] for name in simplex.parameters]
        lows = [p.low for p in parameters if isinstance(p, Float)]
        left = simplex.total - sum(lows)
        if whole <= 0.0 or left < 0.0:
            return None
        values = [low + left * part / whole for low, part in zip(lows, parts, strict=True)]
        if any(p.canonical(v) is None for p, v in zip(parameters, values, strict=True)):
            return None
        return dict(zip(simplex.parameters, values, strict=True))


def some_point(space: Space) -> Point | None:
    """A point of `space`; None where there is none, or where 100 draws found none (constraints on
    grids). InputError where even continua would leave none."""
    if space.count is not None:
        return next(space.points(), None)
    return next(iter(Sampler(space).uniform(100, np.random.default_rng(0))), None)


def canonical(space: Space, params: Mapping[str, Value]) -> Point:
    """The parameters that exist, with values as the space holds them (2 for 2.0, a grid's own)."""
    point: Point = {}
    for parameter in space.parameters:
        name = parameter.name
        if name in params and space.is_active(parameter, point):
            held = parameter.canonical(params[name])
            point[name] = params[name] if held is None else held
    return point


def value_at(parameter: Parameter, unit: float) -> Value:
    value = parameter.from_unit(unit)
    return value + 0.0 if isinstance(value, float) else value  # -0.0 and 0.0 are one point
