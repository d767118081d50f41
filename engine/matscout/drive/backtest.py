"""Would active learning have saved experiments? Arms play the same recorded experiments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from matscout.data.experiments import Experiments
from matscout.drive.backtest_said import Listener, Said
from matscout.drive.learned import Evaluator, Learned, learned
from matscout.drive.rehearse import rehearse
from matscout.errors import InputError
from matscout.goal import Goal
from matscout.pool import Pool
from matscout.propose.base import Proposer
from matscout.space import Space
from matscout.trial import Target

RANDOM = "random"
"""The arm that every other is compared with, always played."""

HELD_OUT = 0.3
"""Of the groups, where the model counts: nobody may measure these, and the model is judged there."""

_SPLITS = 1000
"""Draws of what is held out, before it is clear that no draw will do."""

_MOST_OF = 0.8
"""Of the wanted: the last ones take as long as all the others, and are luck."""

STARTS = ("any", "with", "without")

ProposerOf = Callable[[str, Goal], Proposer]


@dataclass(frozen=True)
class Protocol:
    """What every arm does alike.

    init     random experiments before an arm chooses; start: whether one of them at least is wanted
             (with), none is (without), or as it comes (any)
    workers  experiments that run at once; budget: experiments in all, the first ones among them
             (fewer where a model is judged and, with what is held out, fewer are left to choose from)
    """

    goal: Goal
    target: Target
    init: int = 2
    batch: int = 1
    workers: int = 1
    budget: int = 100
    start: str = "any"

    def __post_init__(self) -> None:
        for name in ("init", "batch", "workers", "budget"):
            if getattr(self, name) < 1:
                raise InputError(name, f"must be at least 1, got {getattr(self, name)}")
        if self.workers < self.batch:
            what = f"{self.batch} are asked for at once, but only {self.workers} can run"
            raise InputError("workers", what, "take at least as many workers as the batch")
        if self.budget <= self.init:
            what = f"{self.budget} leave nothing to choose after {self.init} random ones"
            raise InputError("budget", what, "take more")
        if self.start not in STARTS:
            raise InputError("start", f"unknown {self.start!r}", f"one of {', '.join(STARTS)}")

    @property
    def models_matter(self) -> bool:
        """Whether a model is judged, too, on candidates that nobody may measure."""
        return self.goal.kind in ("rare", "model")

    @property
    def limit(self) -> float | None:
        """What has to be passed, counted up; None where the goal is no limit."""
        if self.goal.threshold is None or self.goal.kind in ("best", "top"):
            return None
        return self.target.sign * self.goal.threshold


@dataclass(frozen=True)
class Played:
    """One arm with one seed. `found` (experiments,) counts the wanted ones; `wanted` is how many
    there are among `candidates`. `quality`, `tail` (checkpoints,) and `tenths` say how good a model
    learned from so many `labels` is on what was held out (drive/learned.py); empty where the model
    does not matter. `said`: what was said beforehand; None for random, who says nothing, and of classes.
    """

    arm: str
    seed: int
    found: NDArray[np.int64]
    wanted: int
    candidates: int
    labels: tuple[int, ...] = ()
    quality: tuple[float, ...] = ()
    tail: tuple[float, ...] = ()
    tenths: tuple[float, ...] = ()
    said: Said | None = None

    def until(self, count: int) -> float:
        """Experiments until `count` of the wanted were found; infinite if they were not."""
        enough = np.flatnonzero(self.found >= count)
        return float(enough[0] + 1) if len(enough) else math.inf

    @property
    def to_80(self) -> float:
        """Experiments until 80 % of the wanted were found."""
        return self.until(math.ceil(_MOST_OF * self.wanted - 1e-9))

    def area(self, length: int | None = None) -> float:
        """Of the found curve over that of random's expectation, Σ found(i) / Σ i * wanted / N, over
        the first `length` experiments."""
        found = self.found[:length]
        i = np.arange(1, len(found) + 1)
        return float(found.sum() / (i * self.wanted / self.candidates).sum())


@dataclass(frozen=True)
class Case:
    """Recorded experiments and what is wanted of them. `asked_all`: arms that are also asked, now
    and then, what they expect of every candidate."""

    experiments: Experiments
    protocol: Protocol
    asked_all: frozenset[str] = frozenset()
    _cache: dict[int, tuple[Space, NDArray[np.intp], NDArray[np.intp]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        here = len(self.rows)
        if here <= self.protocol.init:
            what = f"{here} candidates are too few for {self.protocol.init} random ones first"
            raise InputError("init", what, "take fewer")
        if self.protocol.budget > here:
            what = f"{self.protocol.budget} experiments, but the table has {here} candidates"
            raise InputError("budget", what, "take fewer")
        wanted = self.wanted[self.rows]
        if not wanted.any():
            raise InputError("goal.threshold", "nothing in the table passes it", "ask for less")
        if wanted.all():
            where = "goal.threshold" if self.protocol.limit is not None else "goal.top"
            raise InputError(where, "everything in the table is wanted", "ask for more")
        if self.protocol.start == "without" and int((~wanted).sum()) < self.protocol.init:
            what = f"fewer than {self.protocol.init} candidates are unwanted"
            raise InputError("init", f"{what}, but the start is to be without", "take fewer")
        if self.protocol.models_matter:
            self._split(0)  # refused now rather than in the midst of it

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """Candidates with a value."""
        return np.flatnonzero(np.isfinite(self.experiments.mean(self.protocol.target.name)))

    @cached_property
    def values(self) -> NDArray[np.float64]:
        return self.experiments.mean(self.protocol.target.name)

    @cached_property
    def of_classes(self) -> bool:
        """Whether the target is a class, 0 or 1, of which an interval says nothing."""
        return bool(np.isin(self.values[self.rows], (0.0, 1.0)).all())

    @cached_property
    def wanted(self) -> NDArray[np.bool_]:
        """(n_candidates,): what counts as found. For `top`, the best ceil(share * N) by the table;
        for `best`, the best one; else whatever passes the threshold, or the top for a model without
        one."""
        goal, target = self.protocol.goal, self.protocol.target
        up = np.where(np.isfinite(self.values), target.sign * self.values, -np.inf)
        if self.protocol.limit is not None:
            return up >= self.protocol.limit
        count = 1 if goal.kind == "best" else math.ceil(goal.top * len(self.rows) - 1e-9)
        out = np.zeros(len(up), dtype=bool)
        out[np.argsort(-up, kind="stable")[:count]] = True
        return out

    def play(self, arm: str, seed: int, proposer_of: ProposerOf) -> Played:
        """One arm with one seed; the start is the same for every arm."""
        protocol = self.protocol
        space, pool_rows, test_rows = self._split(seed)
        values, wanted = self.values[pool_rows], self.wanted[pool_rows]
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        start = _start(rng, len(values), wanted, protocol)
        budget = min(protocol.budget, len(values))
        listener: Listener | None = None
        if arm == RANDOM:
            free = np.setdiff1d(np.arange(len(values)), start)
            length = budget if protocol.models_matter else len(values)
            order = [*start, *rng.permutation(free).tolist()][:length]
        else:
            wanted_rows = np.flatnonzero(wanted).tolist()
            until = frozenset([] if protocol.models_matter else wanted_rows)
            proposer = proposer_of(arm, protocol.goal)
            whole = arm in self.asked_all and not self.of_classes
            listener = Listener(space, proposer, values, whole)
            order = rehearse(
                space,
                protocol.target,
                values,
                proposer,
                start,
                budget=budget,
                batch=protocol.batch,
                workers=protocol.workers,
                seed=seed,
                until=until,
                heard=listener,
            )
        found = np.cumsum(wanted[order], dtype=np.int64)
        # An arm that stopped early had found all there is.
        found = np.pad(found, (0, max(budget - len(found), 0)), mode="edge")
        model = self._learned(space, order, values, test_rows)
        return Played(
            arm, seed, found, int(wanted.sum()), len(values), **vars(model),
            said=None if listener is None or self.of_classes else listener.said(),
        )  # fmt: skip

    def left(self, seeds: Sequence[int]) -> int:
        """How many candidates each of these seeds leaves to choose from, at the least: all, unless
        some are held out to judge a model."""
        if not self.protocol.models_matter:
            return len(self.rows)
        return min(len(self._hold_out(seed)[0]) for seed in seeds)

    def _split(self, seed: int) -> tuple[Space, NDArray[np.intp], NDArray[np.intp]]:
        """The space to choose from, its rows, and the rows held out."""
        key = seed if self.protocol.models_matter else -1
        if key not in self._cache:
            self._cache.clear()
            rows, test = self._hold_out(seed)
            space = Space(pool=_subset(self.experiments.pool, rows))
            self._cache[key] = space, rows, test
        return self._cache[key]

    def _hold_out(self, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The rows to choose from, and those held out; none where no model is judged."""
        rows = self.rows
        if not self.protocol.models_matter:
            return rows, np.zeros(0, dtype=np.intp)
        groups = np.array(self.experiments.groups)[rows]
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        for _ in range(_SPLITS):
            names = rng.permutation(np.unique(groups))
            held = np.isin(groups, names[: round(HELD_OUT * len(names))])
            if self._can_judge(rows[~held], rows[held]):
                return rows[~held], rows[held]
        what = f"of {len(names)} groups of candidates, {HELD_OUT:.0%} cannot be held out"
        raise InputError("goal", f"{what} to judge a model", "take another goal")

    def _can_judge(self, rows: NDArray[np.intp], test: NDArray[np.intp]) -> bool:
        """Whether there is something to find among `rows`, and in `test` something to judge by."""
        protocol = self.protocol
        left = ~self.wanted[rows] if protocol.start == "without" else np.ones(len(rows), dtype=bool)
        if not self.wanted[rows].any() or left.sum() < protocol.init or len(rows) <= protocol.init:
            return False
        if protocol.limit is None:
            return len(test) > 0
        return bool(self.wanted[test].any() and not self.wanted[test].all())

    def _learned(
        self,
        space: Space,
        order: Sequence[int],
        values: NDArray[np.float64],
        test_rows: NDArray[np.intp],
    ) -> Learned:
        if not self.protocol.models_matter:
            return Learned()
        sign, limit = self.protocol.target.sign, self.protocol.limit
        judge = Evaluator(self.experiments.pool, test_rows, sign * self.values[test_rows], limit)
        assert space.pool is not None
        return learned(judge, space.pool, order, sign * values, self.protocol.init)


def _start(
    rng: np.random.Generator, count: int, wanted: NDArray[np.bool_], protocol: Protocol
) -> list[int]:
    """`init` random rows. With a positive: one of the wanted first, the others as they come, which
    is a draw conditioned on what the protocol asks for as nearly as makes no difference."""
    if protocol.start == "without":
        return [int(i) for i in rng.permutation(np.flatnonzero(~wanted))[: protocol.init]]
    for _ in range(1000):
        rows = [int(i) for i in rng.permutation(count)[: protocol.init]]
        if protocol.start == "any" or wanted[rows].any():
            return rows
    first = int(rng.choice(np.flatnonzero(wanted)))
    return [first, *(r for r in rows if r != first)][: protocol.init]


def _subset(pool: Pool, rows: NDArray[np.intp]) -> Pool:
    columns = {name: tuple(column[r] for r in rows) for name, column in pool.columns.items()}
    ids = tuple(pool.ids[r] for r in rows)
    return Pool(ids, columns, pool.features, pool.kinds)
