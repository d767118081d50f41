"""What a sweep is measured on: a space, what a trial says, and how far from the best it really is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from matscout.propose.sampling import Sampler
from matscout.space import Space
from matscout.trial import Params, Target

Array = NDArray[np.float64]

MINUTE_S = 60.0
"""What a trial takes where nobody has recorded it: longer than any arm thinks."""

SAMPLE = 2048
"""Random points (of a fixed seed) whose median is the unit of regret."""


@dataclass(frozen=True)
class Observed:
    """What one trial says. A constraint holds at 0 or below. `reports`: the steps at which it speaks on
    the way, and what it says of the first objective there."""

    values: tuple[float, ...]
    constraints: tuple[float, ...] = ()
    cost_s: float = MINUTE_S
    reports: tuple[tuple[int, float], ...] = ()

    @property
    def feasible(self) -> bool:
        return all(value <= 0.0 for value in self.constraints)


Told = Sequence[tuple[Params, Observed]]
"""Points and what their trials said, in the order of completion."""


@dataclass(frozen=True)
class Problem(ABC):
    """`budget` trials, `workers` at a time. `kind` is the group it belongs to, `said` what a reader
    should know of it. `targets` are the objectives; `limits` is how many outcome constraints there
    are. `noisy`: a trial does not say its point's true value. `engine`: the peer that holds it."""

    name: str
    kind: str
    space: Space
    budget: int
    targets: tuple[Target, ...] = (Target("y"),)
    limits: int = 0
    workers: int = 1
    noisy: bool = False
    said: str = ""
    engine: str = ""

    @abstractmethod
    def observed(self, params: Params, trial: int, seed: int) -> Observed:
        """What trial number `trial` of the run with this seed says: the same for every arm."""

    @abstractmethod
    def regrets(self, told: Told) -> list[float]:
        """After each trial, how far what was found is from the best, in the problem's unit."""

    @abstractmethod
    def best_found(self, told: Told) -> list[float]:
        """As `regrets`, of the best point that was evaluated, chosen or not."""

    @property
    @abstractmethod
    def optimum(self) -> float:
        """The best true value."""

    @property
    @abstractmethod
    def unit(self) -> float:
        """What a regret of 1 is, in the unit of the target."""

    @property
    def horizon_s(self) -> float | None:
        """When a sweep of ordinary trials is over; None where nobody recorded what trials take."""
        return None

    @property
    def steps(self) -> int:
        """Of a whole trial, where trials speak on the way; else 0."""
        return 0

    def basin(self, params: Params) -> str:
        """The minimum that a descent from this point ends in, by name; empty: nobody asks."""
        return ""


class Single(Problem):
    """One objective. Regret = (true value of what would be taken - optimum) / (median of the space -
    optimum), where the point with the best mean of its measurements would be taken: most points have
    one. A trial that breaks a constraint is never the best; while no other is known, regret is that
    of the worst feasible point of the sample."""

    @abstractmethod
    def true(self, points: Sequence[Params]) -> tuple[Array, NDArray[np.bool_]]:
        """Noise-free values (n,) in the target's unit, and which points are feasible (n,)."""

    def regrets(self, told: Told) -> list[float]:
        sign = self.targets[0].sign
        losses = self._losses([params for params, _ in told])
        unit, none = self._reference
        measured: dict[str, list[float]] = {}
        loss_of: dict[str, float] = {}
        out = []
        for (params, seen), loss in zip(told, losses, strict=True):
            if seen.feasible:
                point = self.space.key(params)
                measured.setdefault(point, []).append(sign * seen.values[0])
                loss_of.setdefault(point, float(loss))
            best = max(measured, key=lambda point: fmean(measured[point]), default=None)
            out.append((none if best is None else loss_of[best]) / unit)
        return out

    def best_found(self, told: Told) -> list[float]:
        unit, none = self._reference
        losses = self._losses([params for params, _ in told])
        best = np.minimum.accumulate(losses)
        return [float(loss if math.isfinite(loss) else none) / unit for loss in best]

    @property
    def unit(self) -> float:
        return self._reference[0]

    def _losses(self, points: Sequence[Params]) -> Array:
        """How much worse than the optimum (n,); infinite where infeasible."""
        values, feasible = self.true(points)
        losses = self.targets[0].sign * (self.optimum - values)
        return np.where(feasible, losses, math.inf)

    @cached_property
    def _reference(self) -> tuple[float, float]:
        """The loss of the median feasible point of the sample, and of the worst."""
        points = Sampler(self.space).uniform(SAMPLE, np.random.default_rng(0))
        losses = self._losses(points)
        feasible = losses[np.isfinite(losses)]
        return float(np.median(feasible)), float(feasible.max())
