"""The best point of a space under a score: many at random, the best few refined."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
import torch
from botorch.exceptions.errors import OptimizationGradientError
from botorch.generation.gen import gen_candidates_scipy
from torch import Tensor

from matscout.parameter import Float
from matscout.propose.distinct import key
from matscout.propose.near import copies
from matscout.propose.sampling import Point, value_at
from matscout.propose.toolbox import SpaceTools

Score = Callable[[Tensor], Tensor]
"""(b, columns) -> (b,), of which more is better; differentiable."""

CANDIDATES = 512
REFINED = 3
EXHAUSTIVE = 4096
"""Up to so many points all are scored: no slower than a search, and exact."""

_GAIN = 1e-6
"""Of the standardised score: a local search stops at smaller gains."""

_HOPS = 20
_STEPS = (0.2, 0.1, 0.05, 0.025, 0.0125, 0.006)
"""How far constrained parameters are moved at random, of the unit interval, round after round."""


def best_new(
    tools: SpaceTools,
    score: Score,
    taken: set[str],
    rng: np.random.Generator,
    known: Sequence[Point] = (),
) -> Point | None:
    """The point of highest `score` that is not taken; None if every one found is.

    The search also starts near each of the points `known` to be good (near.py): towards the end the
    hill where the score gains most is too narrow for random points to hit.
    """
    space = tools.space
    if space.count is not None and space.count <= EXHAUSTIVE:
        return _best_listed(tools, score, taken)
    points = tools.sampler.uniform(CANDIDATES, rng)
    values = _values(tools, score, points)
    new = (points[i] for i in _highest_first(values) if key(space, points[i]) not in taken)
    starts = [*islice(new, REFINED), *_near(tools, score, known, rng)]
    refined = Refiner(tools, score, rng).refine(starts)
    points += refined
    values = np.concatenate([values, _values(tools, score, refined)])
    for i in _highest_first(values):
        if key(space, points[i]) not in taken:
            return points[i]
    return None


def _near(
    tools: SpaceTools, score: Score, known: Sequence[Point], rng: np.random.Generator
) -> list[Point]:
    """Of each known point and its moved copies, the one of highest score."""
    groups = [copies(tools, point, rng) for point in known]
    values = [_values(tools, score, group) for group in groups]
    return [group[int(found.argmax())] for group, found in zip(groups, values, strict=True)]


def _best_listed(tools: SpaceTools, score: Score, taken: set[str]) -> Point | None:
    finder = tools.finder
    assert finder.listed is not None
    free = [i for i, k in enumerate(finder.listed_keys) if k not in taken]
    if not free:
        return None
    with torch.no_grad():
        values = score(torch.from_numpy(finder.listed_rows[free]))
    return dict(finder.listed[free[int(values.argmax())]])


def _values(tools: SpaceTools, score: Score, points: Sequence[Point]) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = score(torch.from_numpy(tools.encoding.rows(points))).numpy()
    return np.where(np.isnan(found), -np.inf, found)


def _highest_first(values: np.ndarray) -> list[int]:
    return np.argsort(-values, kind="stable").tolist()


class Refiner:
    """Climbs from given points: continua by gradient, listed values one change at a time,
    constrained ones by random steps that keep every constraint.
    """

    def __init__(self, tools: SpaceTools, score: Score, rng: np.random.Generator) -> None:
        self._tools, self._score, self._rng = tools, score, rng
        space, constrained = tools.space, tools.sampler.constrained
        self._continua = [
            p
            for p in space.parameters
            if isinstance(p, Float) and p.step is None and p.name not in constrained
        ]
        self._steps = bool(constrained)
        self._lists = any(
            p.count is not None and p.name not in constrained for p in space.parameters
        )

    def refine(self, points: Sequence[Point]) -> list[Point]:
        """Each point, or a better one found from it."""
        climbed = self._climb(points)
        if not (self._lists or self._steps):
            return climbed
        for _ in range(3):
            moved = self._hop(climbed)
            if moved == climbed:
                break
            climbed = self._climb(moved)
        return climbed

    def _climb(self, points: Sequence[Point]) -> list[Point]:
        """L-BFGS-B over the continua that exist, starts with the same ones in one batch."""
        out = [dict(p) for p in points]
        by_free: dict[tuple[int, ...], list[int]] = {}
        for i, point in enumerate(points):
            free = tuple(self._tools.encoding.column(p) for p in self._continua if p.name in point)
            by_free.setdefault(free, []).append(i)
        for free, members in by_free.items():
            if free:
                better = self._ascend([out[i] for i in members], free)
                for i, point in zip(members, better, strict=True):
                    out[i] = point
        return out

    def _ascend(self, points: list[Point], free: tuple[int, ...]) -> list[Point]:
        rows = torch.from_numpy(self._tools.encoding.rows(points))
        width = rows.shape[1]
        held = {j: rows[:, j] for j in range(width) if j not in free}
        try:
            # Recorded, so not shown: a line search that gives up has gained what there was, and
            # BoTorch shows that warning whatever the filters say.
            with warnings.catch_warnings(record=True):
                found, _ = gen_candidates_scipy(
                    initial_conditions=rows.unsqueeze(1).clamp(0.0, 1.0),
                    acquisition_function=lambda X: self._score(X.squeeze(-2)),
                    lower_bounds=torch.zeros(width, dtype=rows.dtype),
                    upper_bounds=torch.ones(width, dtype=rows.dtype),
                    fixed_features=held or None,
                    options={"maxiter": 60},
                )
        except (OptimizationGradientError, RuntimeError, ValueError):
            return points  # a score without a gradient there: the random points stand
        at = self._tools.encoding.column
        better = []
        for point, row in zip(points, found.squeeze(1).tolist(), strict=True):
            moved = {p.name: value_at(p, row[at(p)]) for p in self._continua if p.name in point}
            better.append({**point, **moved})
        return better

    def _hop(self, points: Sequence[Point]) -> list[Point]:
        """From each point to the best of its neighbours, until none gains."""
        points = list(points)
        values = _values(self._tools, self._score, points)
        for most in _STEPS if self._steps else [0.0] * _HOPS:
            near = [self._neighbours(point, most) for point in points]
            found = _values(self._tools, self._score, [p for group in near for p in group])
            gained, first = False, 0
            for i, group in enumerate(near):
                mine = found[first : first + len(group)]
                first += len(group)
                if len(group) and mine.max() > values[i] + _GAIN:
                    points[i], values[i], gained = group[int(mine.argmax())], mine.max(), True
            if not (gained or self._steps):
                break
        return points

    def _neighbours(self, point: Point, most: float) -> list[Point]:
        near = list(self._tools.sampler.neighbours(point, self._rng)) if self._lists else []
        return near + list(self._tools.sampler.moves(point, 16, most, self._rng))
