"""A campaign on recorded experiments keeps the order of the loop, its budget and its workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout.drive.policy import Policy
from matscout.drive.rehearse import rehearse
from matscout.history import History
from matscout.outcome import Assignment, Kind, Outcome
from matscout.pool import Pool
from matscout.propose.random import RandomProposer
from matscout.space import Space
from matscout.trial import Proposal, Target

TARGET = Target("y", "max")


def line(n: int) -> Space:
    return Space(pool=Pool(tuple(f"c{i}" for i in range(n)), {"x": tuple(range(n))}, ("x",)))


@dataclass
class Watching:
    """Proposes what depends on all that it may see, and notes what it was asked."""

    name: str = "watching"
    asked: list[tuple[int, int, int, int]] = field(default_factory=list)  # n, trials, pending, seed
    seen: list[dict[str, float]] = field(default_factory=list)

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        assert space.pool is not None
        self.asked.append((n, len(history.trials), len(history.pending), seed))
        self.seen.append({t.candidate or "": t.values["y"] for t in history.completed})
        taken = {t.candidate for t in history.trials}
        free = [c for c in space.pool.ids if c not in taken]
        turn = int(seed + 1e3 * sum(t.values["y"] for t in history.completed)) % max(len(free), 1)
        return [Proposal(space.pool.params(c), c) for c in (free[turn:] + free[:turn])[:n]]


@given(
    st.integers(1, 30), st.integers(0, 5), st.integers(1, 6), st.integers(0, 5), st.integers(1, 40)
)
def test_budget_batch_and_workers(n: int, init: int, batch: int, more: int, budget: int) -> None:
    start = list(range(n))[: min(init, budget)]
    workers, proposer = batch + more, Watching()
    values = np.linspace(0.0, 1.0, n)
    order = rehearse(
        line(n), TARGET, values, proposer, start, budget=budget, batch=batch, workers=workers
    )
    assert order[: len(start)] == start
    assert len(order) == len(set(order)) == max(min(budget, n), len(start))
    for wanted, trials, pending, _ in proposer.asked:
        assert wanted == min(batch, budget - trials)
        assert pending <= workers - wanted
    # Everything measured before an ask is known at the ask, with the value of its row.
    for (_, trials, pending, _), seen in zip(proposer.asked, proposer.seen, strict=True):
        done = order[: trials - pending]
        assert seen == {f"c{row}": values[row] for row in done}


def test_the_clock_with_more_workers_than_the_batch() -> None:
    """Three at a time on five workers: three more as soon as three of five are free."""
    proposer = Watching()
    rehearse(line(30), TARGET, np.zeros(30), proposer, [0, 1], budget=14, batch=3, workers=5)
    # (wanted, asked so far, pending): five of 14 trials are asked when three run, and so on.
    assert [ask[:3] for ask in proposer.asked] == [(3, 2, 0), (3, 5, 2), (3, 8, 2), (3, 11, 2)]


def test_one_at_a_time_never_has_anything_pending() -> None:
    proposer = Watching()
    rehearse(line(9), TARGET, np.zeros(9), proposer, [4], budget=6)
    assert [ask[:3] for ask in proposer.asked] == [(1, i, 0) for i in range(1, 6)]


def test_the_last_ask_is_for_what_the_budget_leaves() -> None:
    proposer = Watching()
    order = rehearse(line(30), TARGET, np.zeros(30), proposer, [0], budget=8, batch=3, workers=3)
    assert [ask[0] for ask in proposer.asked] == [3, 3, 1] and len(order) == 8


@dataclass
class Few:
    """One proposal for every ask, and none after the third."""

    name: str = "few"

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        done = len(history.trials)
        return [] if done >= 4 else [Proposal({}, f"c{done}")]


def test_a_proposer_that_gives_less_and_then_nothing() -> None:
    values = np.zeros(9)
    assert rehearse(line(9), TARGET, values, Few(), [0], budget=9, batch=3, workers=4) == [
        0,
        1,
        2,
        3,
    ]


def test_it_ends_when_all_that_is_wanted_was_measured() -> None:
    space, values = line(20), np.zeros(20)
    until = frozenset({3, 7})
    order = rehearse(space, TARGET, values, RandomProposer(), [1, 2], budget=20, until=until)
    assert until <= set(order) and order[-1] in until and len(order) < 20
    assert rehearse(space, TARGET, values, RandomProposer(), [3, 7], budget=9, until=until) == [
        3,
        7,
    ]
    short = rehearse(space, TARGET, values, RandomProposer(), [1], budget=2, until=until)
    assert len(short) == 2


def test_asks_are_seeded_by_their_place() -> None:
    orders = [
        rehearse(line(20), TARGET, np.zeros(20), RandomProposer(), [0], budget=9, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (1, 3), (3, 3), (2, 5)])
def test_the_order_is_that_of_the_loop(
    batch: int, workers: int, make_loop: Callable[..., Any], scripted: type
) -> None:
    """The same asks, seeds and histories as the journalled loop when all take equally long."""
    space, values = line(30), np.linspace(0.0, 1.0, 30)

    def answer(assignment: Assignment) -> Outcome:
        y = float(values[int(str(assignment.candidate)[1:])])
        return Outcome(assignment.trial, assignment.attempt, Kind.MEASURED, values={"y": y})

    ours, theirs = Watching(), Watching()
    order = rehearse(
        space, TARGET, values, ours, [], budget=13, batch=batch, workers=workers, seed=7
    )
    fleet = scripted(slots=workers, answer=answer, pick=lambda running: 0)
    loop = make_loop(
        fleet=fleet,
        space=space,
        proposer=theirs,
        policy=Policy(trials=13, slots=workers, batch=batch),
        seed=7,
    )
    loop.run()
    assert theirs.asked == ours.asked and theirs.seen == ours.seen
    assert [t.candidate for t in loop.history.completed] == [f"c{row}" for row in order]
