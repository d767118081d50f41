"""The best points known, and points near them: where a search for a better one starts too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import torch

from matscout.parameter import Categorical
from matscout.propose.sampling import Point, canonical, value_at
from matscout.propose.toolbox import SpaceTools
from matscout.space import Space
from matscout.surrogate.base import Posterior
from matscout.trial import Trial, Value

KNOWN = 2
"""So many of the best points known are starts."""

COPIES = 32

SD = 0.02
"""Of the unit interval: how far a copy is moved."""


def best_known(
    tools: SpaceTools, posterior: Posterior, trials: Sequence[Trial], count: int = KNOWN
) -> list[Point]:
    """The points of those `count` of `trials` of which `posterior` expects most, the best first.

    Where parameters are held at a value, the points are moved there; those only that this space has
    then.

    By what is expected rather than by what was measured: under noise the best measurement is the
    luckiest one. BoTorch's `sample_points_around_best` chooses so too.
    """
    if not trials:
        return []
    with torch.no_grad():
        mean, _ = posterior.mean_sd(torch.from_numpy(tools.rows(trials)))
    best_first = torch.argsort(-mean, stable=True).tolist()
    points = (_here(tools.space, canonical(tools.space, trials[i].params)) for i in best_first)
    return list(islice((point for point in points if point is not None), count))


def _here(space: Space, point: Point) -> Point | None:
    """`point` with the values that `space` holds; None where it is not a point of it then."""
    ends = {p.name: (value_at(p, 0.0), value_at(p, 1.0 - 1e-9)) for p in space.parameters}
    held = {name: low for name, (low, high) in ends.items() if low == high}
    moved, out = canonical(space, {**point, **held}), Point()
    for parameter in space.parameters:
        if space.is_active(parameter, out):
            value = moved.get(parameter.name)
            if value is None or parameter.canonical(value) is None:
                return None
            out[parameter.name] = value
    return out if space.satisfied(out) else None


def copies(tools: SpaceTools, point: Mapping[str, Value], rng: np.random.Generator) -> list[Point]:
    """`point`, and `COPIES` of it in which every free number is moved by a normal step.

    Constrained numbers stay: they move together or not at all (Sampler.moves). So do those that decide
    which others exist.
    """
    held = tools.sampler.constrained | {name for p in tools.space.parameters for name in p.when}
    moving = [
        p
        for p in tools.space.parameters
        if not isinstance(p, Categorical) and p.name in point and p.name not in held
    ]
    here = np.array([p.cell(point[p.name]) for p in moving])  # type: ignore[arg-type]
    steps = SD * rng.standard_normal((COPIES, len(moving)))
    moved = np.clip(here + steps, 0.0, 1.0).tolist()
    return [
        dict(point),
        *(
            {**point, **{p.name: value_at(p, u) for p, u in zip(moving, units, strict=True)}}
            for units in moved
        ),
    ]
