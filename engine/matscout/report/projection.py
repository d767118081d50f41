"""Where candidates or points lie on a page: two columns that a person picks, or two of PCA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matscout.errors import InputError, did_you_mean
from matscout.pool import Pool
from matscout.propose.candidates import Candidates
from matscout.propose.encode import Encoding
from matscout.space import Space
from matscout.trial import Value

Array = NDArray[np.float64]


_CLUSTERS = " Those that share a place are spread around it."

_GRID = 400
"""Steps across the map within which two points hide each other: about a pixel and a half."""

_PETAL = 0.04
"""How far, in map widths, points that share a place are moved at most."""


@dataclass(frozen=True)
class Places:
    """`xy` (n, 2) of n points, NaN where one has no place; the names of both axes; how they came."""

    xy: Array
    x: str
    y: str
    told: str
    row_of: Mapping[str, int]


def places(
    space: Space, points: Sequence[Mapping[str, Value]], x: str | None, y: str | None
) -> Places | None:
    """Of a pool's candidates, in the order of its ids; or of `points` (params) of another space.

    None where there is nothing to spread out. InputError for a column that is not there, or is no
    number, and for one axis without the other.
    """
    if (x is None) != (y is None):
        missing, given = ("--y", x) if y is None else ("--x", y)
        raise InputError(missing, f"is missing beside {given!r}", "name both columns, or neither")
    pool = space.pool
    row_of = {} if pool is None else {c: i for i, c in enumerate(pool.ids)}
    if x is not None and y is not None:
        columns = [_column(space, points, "--x", x), _column(space, points, "--y", y)]
        told = f"The axes are {x} and {y}.{_CLUSTERS}"
        return Places(spread_apart(np.stack(columns, axis=1)), x, y, told, row_of)
    matrix = _matrix(space, points)
    found = principal_plane(matrix)
    if found is None:
        return None
    xy, shares = found
    told = (
        f"The axes are the first two principal components of the {matrix.shape[1]} scaled features;"
        f" they show {100 * sum(shares):.0f} % of their variance. Neighbours on the map need not be"
        f" neighbours in all features.{_CLUSTERS}"
    )
    names = [f"component {i + 1} ({100 * s:.0f} %)" for i, s in enumerate(shares)]
    return Places(spread_apart(xy), names[0], names[1], told, row_of)


def spread_apart(xy: Array) -> Array:
    """Points (n, 2) that would hide one another, set on a small sunflower around their place."""
    known = np.isfinite(xy).all(axis=1)
    if not known.any():
        return xy
    width = np.ptp(xy[known], axis=0)
    width[width == 0.0] = 1.0
    place = np.round((xy[known] - xy[known].min(axis=0)) / width * _GRID)
    _, group, count = np.unique(place, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    nth = np.empty(len(group))
    nth[order] = np.arange(len(group)) - first[group[order]]
    radius = _PETAL * np.sqrt(nth / np.maximum(count[group], 16))
    angle = nth * np.pi * (3.0 - np.sqrt(5.0))
    out = xy.copy()
    out[known] += radius[:, None] * width * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return out


def check_axes(space: Space, x: str | None, y: str | None) -> None:
    """InputError for axes that `places` would refuse, before anything is computed."""
    if x is not None or y is not None:
        places(space, (), x, y)


def principal_plane(matrix: Array) -> tuple[Array, tuple[float, float]] | None:
    """(n, 2) scores on the two directions of largest variance, and their shares of the variance.

    Columns are scaled to unit variance first; those that do not vary are left out. Each direction's
    sign is such that its largest loading is positive. None with fewer than two columns or three rows.
    """
    if len(matrix) < 3:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        centred = matrix - matrix.mean(axis=0)
        sd = centred.std(axis=0)
    varies = np.isfinite(sd) & (sd > 1e-12 * np.maximum(np.abs(matrix).max(axis=0), 1e-300))
    if varies.sum() < 2:
        return None
    scaled = centred[:, varies] / sd[varies]
    _, singular, directions = np.linalg.svd(scaled.T @ scaled / len(scaled))
    plane = directions[:2]
    biggest = np.abs(plane).argmax(axis=1)
    plane = plane * np.sign(plane[np.arange(2), biggest])[:, None]
    first, second = (singular[:2] / singular.sum()).tolist()
    return scaled @ plane.T, (first, second)


def _matrix(space: Space, points: Sequence[Mapping[str, Value]]) -> Array:
    if space.pool is None:
        return Encoding(space).rows(points)
    return Candidates(space.pool).unit


def _column(space: Space, points: Sequence[Mapping[str, Value]], option: str, name: str) -> Array:
    if space.pool is not None:
        return _pool_column(space.pool, option, name)
    if name not in space.by_name:
        raise InputError(option, f"no parameter {name!r}", did_you_mean(name, space.by_name))
    return _numbers(option, name, [point.get(name) for point in points])


def _pool_column(pool: Pool, option: str, name: str) -> Array:
    if name in pool.columns:
        return _numbers(option, name, pool.columns[name])
    raise InputError(option, f"no column {name!r}", did_you_mean(name, pool.columns))


def _numbers(option: str, name: str, cells: Sequence[Value | None]) -> Array:
    bad = next((c for c in cells if isinstance(c, str)), None)
    if bad is not None:
        raise InputError(option, f"column {name!r} holds {bad!r:.40}", "name a column of numbers")
    return np.array([np.nan if c is None else float(c) for c in cells], dtype=float)
