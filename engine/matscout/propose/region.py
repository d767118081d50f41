"""Where the constrained parameters of a space may lie, some on grids, some on continua."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError
from matscout.parameter import Float, Int, Ordinal
from matscout.propose.polytope import Polytope
from matscout.space import Space
from matscout.trial import Value

Array = NDArray[np.float64]
_TRIES = 40
_SLACK = 1e-9
"""Rounding noise of sums of values in [0, 1]."""


class Region:
    """The constraints of a space as one polytope over the parameters that they name.

    Inside, each of them runs from 0 (low) to 1 (high) on its own linear scale, log or not:
    constraints are linear in the values.
    """

    def __init__(self, space: Space) -> None:
        named = {name for c in space.constraints for name in c.parameters}
        self.space = space
        self.parameters = [
            p for p in space.parameters if p.name in named and isinstance(p, Float | Int | Ordinal)
        ]
        ends = [_ends(p) for p in self.parameters]
        self.low = np.array([low for low, _ in ends])
        self.width = np.array([high - low for low, high in ends])
        self.grid = [j for j, p in enumerate(self.parameters) if p.count is not None]
        self.continua = [j for j, p in enumerate(self.parameters) if p.count is None]
        self._rows, self._least, self._most = self._sums()
        self.polytope = self._polytope()
        if self.polytope.centre is None:
            raise InputError("space.constraints", "no point satisfies all of them", "loosen one")

    def sample(self, n: int, rng: np.random.Generator) -> list[dict[str, Value]]:
        """Values of the constrained parameters at up to n points, close to uniform.

        Fewer where grids and constraints leave points too rare to be met.
        """
        out: list[dict[str, Value]] = []
        for _ in range(_TRIES):
            for z in self.polytope.sample(n - len(out), rng):
                point = self.near(z, rng)
                if point is not None:
                    out.append(point)
            if len(out) == n:
                break
        return out

    def moves(
        self, params: Mapping[str, Value], n: int, most: float, rng: np.random.Generator
    ) -> Iterator[dict[str, Value]]:
        """Allowed values at random places within distance `most` (of 1) from `params`."""
        z = np.tile(self.polytope.pull(self._inside(params)), (n, 1))
        for row in self.polytope.step(z, rng, most):
            point = self.near(row, rng)
            if point is not None:
                yield point

    def repair(
        self, params: Mapping[str, Value], rng: np.random.Generator
    ) -> dict[str, Value] | None:
        """Allowed values near `params`, which may break the constraints; None if not found."""
        return self.near(self.polytope.pull(self._inside(params)), rng)

    def near(self, z: Array, rng: np.random.Generator) -> dict[str, Value] | None:
        """Allowed values near `z` (p,), a point of the polytope; None when rounding finds no way.

        Values are chosen one after another, those on grids first, each the nearest to z that leaves
        the others room to keep every sum. That is exact for one constraint; where several
        interlock it may run into a dead end, and another order is tried.
        """
        for _ in range(4):
            fixed = self._rounded(z, rng) if self.grid else dict(enumerate(z.tolist()))
            if fixed is None:
                continue
            values = {p.name: self._value(j, fixed[j]) for j, p in enumerate(self.parameters)}
            if all(c.violation(values) == 0.0 for c in self.space.constraints):
                return values
        return None

    def _rounded(self, z: Array, rng: np.random.Generator) -> dict[int, float] | None:
        fixed: dict[int, float] = {}
        for j in [*rng.permutation(self.grid).tolist(), *rng.permutation(self.continua).tolist()]:
            least, most = self._room(j, fixed)
            value: float | None = min(max(float(z[j]), least), most)
            if j in self.grid:
                value = self._nearest(j, float(z[j]), least, most)
            if value is None or least > most + _SLACK:
                return None
            fixed[j] = value
        return fixed

    def _room(self, j: int, fixed: dict[int, float]) -> tuple[float, float]:
        """What z_j may be, so that some values of those not fixed yet can keep every sum."""
        least, most = 0.0, 1.0
        for row, low, high in zip(self._rows, self._least, self._most, strict=True):
            if row[j] == 0.0:
                continue
            down = up = 0.0
            for k, factor in enumerate(row.tolist()):
                if k != j:
                    down += factor * fixed[k] if k in fixed else min(factor, 0.0)
                    up += factor * fixed[k] if k in fixed else max(factor, 0.0)
            bounds = sorted(((low - up) / row[j], (high - down) / row[j]))
            least, most = max(least, bounds[0]), min(most, bounds[1])
        return least, most

    def _nearest(self, j: int, z: float, least: float, most: float) -> float | None:
        """The grid value of parameter j nearest to z within [least, most], all on [0, 1]."""
        p = self.parameters[j]
        if isinstance(p, Ordinal):
            places = (np.array(p.levels, dtype=float) - self.low[j]) / (self.width[j] or 1.0)
            allowed = places[(places >= least - _SLACK) & (places <= most + _SLACK)]
            return float(allowed[np.abs(allowed - z).argmin()]) if len(allowed) else None
        step = float(p.step or 1.0) / self.width[j]
        first, last = np.ceil(least / step - _SLACK), np.floor(most / step + _SLACK)
        if first > last:
            return None
        return float(np.clip(np.round(z / step), first, last)) * step

    def _value(self, j: int, z: float) -> Value:
        p = self.parameters[j]
        raw = float(self.low[j] + z * self.width[j])
        if isinstance(p, Ordinal):
            return min(p.levels, key=lambda level: abs(level - raw))
        if isinstance(p, Int):
            return min(p.low + p.step * round((raw - p.low) / p.step), p.high)
        if p.step is None or p.count is None:
            return min(max(raw, p.low), p.high)
        index = min(max(round((raw - p.low) / p.step), 0), p.count - 1)
        return min(p.low + index * p.step, p.high)

    def _inside(self, params: Mapping[str, Value]) -> Array:
        raw = np.array([float(params[p.name]) for p in self.parameters])
        return (raw - self.low) / np.where(self.width > 0, self.width, 1.0)

    def _sums(self) -> tuple[Array, Array, Array]:
        """Every constraint as least <= row @ z <= most, scaled to rows of size about 1."""
        place = {p.name: j for j, p in enumerate(self.parameters)}
        rows, least, most = [], [], []
        for c in self.space.constraints:
            row = np.zeros(len(place))
            for name, factor in c.coefficients.items():
                row[place[name]] = factor
            bound = c.bound - row @ self.low
            row = row * self.width
            size = np.abs(row).max() or 1.0
            rows.append(row / size)
            least.append(-np.inf if c.op == "<=" else bound / size)
            most.append(np.inf if c.op == ">=" else bound / size)
        return np.array(rows), np.array(least), np.array(most)

    def _polytope(self) -> Polytope:
        equal = self._least == self._most
        above, below = ~equal & np.isfinite(self._least), ~equal & np.isfinite(self._most)
        return Polytope(
            np.vstack([self._rows[below], -self._rows[above]]),
            np.concatenate([self._most[below], -self._least[above]]),
            self._rows[equal],
            self._least[equal],
        )


def _ends(p: Float | Int | Ordinal) -> tuple[float, float]:
    if isinstance(p, Ordinal):
        return float(p.levels[0]), float(p.levels[-1])
    return float(p.low), float(p.high)
