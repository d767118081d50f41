"""R6 for batches: eight at once while eight are pending, on histories drawn from a seed.

All in all 10,000 draws in a full run (`pytest -m slow`), a hundredth of them for every change. The
number of a draw that fails is printed, and `draw_pool(number)` or `draw_space(…)` makes it again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from _pytest.mark import ParameterSet

from matscout.constraint import Linear, Simplex
from matscout.event import Event, EventKind
from matscout.goal import Desired, Goal
from matscout.history import History
from matscout.parameter import Categorical, Float, Int
from matscout.pool import Pool
from matscout.propose.base import Proposer
from matscout.propose.gp import GpProposer
from matscout.propose.pool import PoolProposer
from matscout.propose.random import RandomProposer
from matscout.propose.sobol import SobolProposer
from matscout.propose.strategies import named
from matscout.propose.tpe import TpeProposer
from matscout.space import Space
from matscout.trial import Proposal, Target

DRAWS = {
    **dict.fromkeys(named.STRATEGIES, 250),
    "pareto": 100,
    "desirability": 100,
    "ensemble_ucb": 100,
    "random": 620,
    "sobol": 580,
    "tpe": 400,
    "gp": 100,
}
"""Of each proposer in a full run; 100 where a batch takes seconds."""

FEWER = 100
PENDING = BATCH = 8

ENDS = (EventKind.FAILED, EventKind.INVALID, EventKind.ABANDONED, EventKind.QUARANTINED)


OF_TWO_TARGETS = ("pareto", "desirability")
DESIRED = (Desired("y", -1.0, 1.0), Desired("z", -1.0, 2.0, aim=0.5, weight=2.0))


def test_ten_thousand_in_all() -> None:
    assert sum(DRAWS.values()) >= 10_000


def draw_pool(number: int, targets: int = 1) -> tuple[Space, History, float]:
    """A pool of 20 to 50 candidates with copies, ties and categories; a history of it with eight
    pending; and a limit for the strategies that ask for one.
    """
    rng = np.random.default_rng(np.random.SeedSequence(number, spawn_key=(8,)))
    size = int(rng.integers(20, 51))
    columns: dict[str, tuple[float | str, ...]] = {}
    for name in "abc"[: rng.integers(1, 4)]:
        column = rng.random(size) if rng.random() < 0.5 else rng.integers(0, 4, size) / 4
        columns[name] = tuple(column.tolist())
    kinds = {}
    if rng.random() < 0.3:
        columns["kind"] = tuple(rng.choice(["p", "q", "r"], size).tolist())
        kinds["kind"] = "category"
    columns["a"] = (0.0, 1.0, *columns["a"][2:])  # one that varies
    space = Space(pool=Pool(tuple(f"c{i}" for i in range(size)), columns, tuple(columns), kinds))
    value = _values(rng)
    points = [Proposal({}, f"c{i}") for i in rng.permutation(size)]
    history = _told(rng, space, points, value, targets)
    return space, history, value(0)


def _values(rng: np.random.Generator) -> Callable[[int], float]:
    """Numbers, classes, or always the same."""
    kind = rng.random()
    if kind < 0.2:
        return lambda i: float(rng.random() < 0.3)
    return lambda i: 1.5 if kind < 0.25 else float(rng.normal())


def _told(
    rng: np.random.Generator,
    space: Space,
    points: list[Proposal],
    value: Callable[[int], float],
    targets: int = 1,
) -> History:
    """Up to twelve of `points` are over, one way or another, and the next eight are pending."""
    history = History()
    history.targets = tuple(
        Target(name, "max" if rng.random() < 0.5 else "min") for name in "yz"[:targets]
    )
    over = int(rng.integers(0, min(12, len(points) - PENDING)))
    for i, point in enumerate(points[: over + PENDING]):
        body = {"params": dict(point.params), "candidate": point.candidate}
        history.apply(Event(EventKind.ASKED, i, body=body))
        history.apply(Event(EventKind.DISPATCHED, i, 1))
    for i in range(over):
        if rng.random() < 0.75:
            values = {target.name: value(i) for target in history.targets}
            history.apply(Event(EventKind.MEASURED, i, 1, {"values": values}))
        else:
            history.apply(Event(ENDS[int(rng.integers(len(ENDS)))], i, 1))
    return history


def draws(names: list[str]) -> list[ParameterSet]:
    out = []
    for name in names:
        out.append(pytest.param(name, max(DRAWS[name] // FEWER, 1), id=f"{name}-some"))
        out.append(pytest.param(name, DRAWS[name], id=f"{name}-all", marks=pytest.mark.slow))
    return out


@pytest.mark.usefixtures("few_trees")
@pytest.mark.parametrize(("strategy", "count"), draws(list(named.STRATEGIES)))
def test_pools(strategy: str, count: int) -> None:
    for number in range(count):
        space, history, limit = draw_pool(number, 2 if strategy in OF_TWO_TARGETS else 1)
        pool = space.pool
        assert pool is not None and len(history.pending) == PENDING
        wanted = DESIRED if strategy == "desirability" else ()
        goal = Goal("best", threshold=limit, desirability=wanted)
        proposer = PoolProposer(goal, strategy, startup=2)
        proposals = proposer.propose(space, history, BATCH, seed=number)
        picked = [p.candidate for p in proposals]
        taken = {t.candidate for t in history.trials}
        assert len(set(picked)) == len(picked) == min(BATCH, len(pool) - len(taken)), number
        assert taken.isdisjoint(picked), number
        assert all(candidate in pool for candidate in picked), number
        if number == 0:
            assert proposer.propose(space, history, BATCH, seed=number) == proposals


SPACES = {
    "simplex": Space(
        (Float("a", 0.0, 1.0), Float("b", 0.0, 0.6), Float("c", 0.1, 1.0), Int("t", 1, 3)),
        (Simplex(("a", "b", "c")),),
    ),
    "coarse simplex": Space(
        tuple(Float(name, 0.0, 1.0, step=0.1) for name in "abc"), (Simplex(tuple("abc")),)
    ),
    "linear": Space(
        (Float("a", 0.0, 1.0), Float("b", 1.0, 100.0, log=True), Int("c", 0, 10)),
        (Linear({"a": 10, "c": 1}, "<=", 4.0), Linear({"b": 1, "c": 2}, ">=", 15.0)),
    ),
    "both": Space(
        (*(Float(name, 0.0, 1.0, step=0.05) for name in "abc"), Categorical("k", ("p", "q"))),
        (Simplex(tuple("abc")), Linear({"a": 1.0, "b": -1.0}, ">=", 0.0)),
    ),
    "small": Space((Int("a", 0, 5), Categorical("k", ("p", "q", "r", "s")))),  # 24 points
}
PARAMETRIC: dict[str, Callable[[], Proposer]] = {
    "random": RandomProposer,
    "sobol": SobolProposer,
    "tpe": partial(TpeProposer, startup=3),
    "gp": partial(GpProposer, startup=3),
}


@pytest.mark.parametrize(("name", "count"), draws(list(PARAMETRIC)))
def test_spaces_with_constraints(name: str, count: int) -> None:
    for number in range(count):
        kind = list(SPACES)[number % len(SPACES)]
        space = SPACES[kind]
        rng = np.random.default_rng(np.random.SeedSequence(number, spawn_key=(9,)))
        empty = History()
        points = RandomProposer().propose(space, empty, PENDING + 12, seed=number)
        history = _told(rng, space, points, _values(rng))
        made = PARAMETRIC[name]().propose(space, history, BATCH, seed=number)
        left = BATCH if space.count is None else min(BATCH, space.count - len(history.trials))
        keys = [space.key(p.params) for p in made]
        assert len(set(keys)) == len(keys) == left, (kind, number)
        assert {space.key(t.params) for t in history.trials}.isdisjoint(keys), (kind, number)
        for proposal in made:
            held = space.check(proposal.params)
            assert dict(held) == dict(proposal.params), (kind, number)
            for constraint in space.constraints:
                assert constraint.violation(proposal.params) == 0.0, (kind, number)
