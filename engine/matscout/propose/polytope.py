"""Linear constraints on bounded real numbers: the middle, points inside, steps within."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Array = NDArray[np.float64]

TINY = 1e-12


class Polytope:
    """{z in [0, 1]^p : A z <= b, E z = e}. Points are rows, (n, p)."""

    def __init__(self, A: Array, b: Array, E: Array, e: Array) -> None:
        self.A, self.b, self.E, self.e = A, b, E, e
        self.p = A.shape[1]
        identity = np.eye(self.p)
        self._G = np.vstack([A, identity, -identity])  # all inequalities: G z <= h
        self._h = np.concatenate([b, np.ones(self.p), np.zeros(self.p)])

    @cached_property
    def centre(self) -> Array | None:
        """The point (p,) furthest from the nearest wall, within the equalities; None if empty."""
        reach = np.linalg.norm(self._G @ self._along, axis=1) if self._along.size else 0 * self._h
        found = linprog(
            np.append(np.zeros(self.p), -1.0),
            A_ub=np.column_stack([self._G, reach]),
            b_ub=self._h,
            A_eq=np.column_stack([self.E, np.zeros(len(self.e))]) if len(self.e) else None,
            b_eq=self.e if len(self.e) else None,
            bounds=[(0.0, 1.0)] * self.p + [(0.0, 1.0)],
            method="highs",
        )
        if found.status != 0:
            return None
        z = np.clip(found.x[:-1], 0.0, 1.0)
        if len(self.e):  # the solver keeps equalities to 1e-7 only
            z = z - np.linalg.lstsq(self.E, self.E @ z - self.e, rcond=None)[0]
        return np.asarray(z)

    @cached_property
    def _along(self) -> Array:
        """Orthonormal directions (p, k) that keep every equality."""
        if not len(self.e):
            return np.eye(self.p)
        _, size, rows = np.linalg.svd(self.E)
        rank = int((size > 1e-10 * size.max()).sum())
        return np.ascontiguousarray(rows[rank:].T)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """n points, close to uniform, (n, p): hit-and-run (Smith 1984), one chain for each.

        Chains start at the centre; 20 + 10 p steps are several times what mixing takes in the
        handful of dimensions of a composition.
        """
        assert self.centre is not None
        z = np.tile(self.centre, (n, 1))
        for _ in range(20 + 10 * self.p if self._along.shape[1] else 0):
            z = self.step(z, rng)
        return z

    def step(self, z: Array, rng: np.random.Generator, most: float = np.inf) -> Array:
        """Each row moved along a random direction, to anywhere inside within distance `most`."""
        k = self._along.shape[1]
        if k == 0:
            return z
        direction = rng.standard_normal((len(z), k))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        d = direction @ self._along.T
        back, ahead = self._range(z, d)
        t = rng.uniform(np.maximum(back, -most), np.minimum(ahead, most))
        return np.clip(z + t[:, None] * d, 0.0, 1.0)

    def pull(self, z: Array) -> Array:
        """The last point (p,) inside on the way from the centre to `z`, or `z` if it is inside.

        First `z` is moved orthogonally onto the equalities.
        """
        assert self.centre is not None
        d = self._along @ (self._along.T @ (z - self.centre))
        _, ahead = self._range(self.centre[None], d[None])
        return np.clip(self.centre + min(1.0, float(ahead[0])) * d, 0.0, 1.0)

    def _range(self, z: Array, d: Array) -> tuple[Array, Array]:
        """How far each row may go back and ahead along d, (n,) and (n,)."""
        speed = d @ self._G.T
        slack = np.maximum(self._h - z @ self._G.T, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            time = slack / speed
        ahead = np.where(speed > TINY, time, np.inf).min(axis=1)
        back = np.where(speed < -TINY, time, -np.inf).max(axis=1)
        return np.minimum(back, 0.0), np.maximum(ahead, 0.0)
