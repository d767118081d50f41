"""Thinking while working, with asks made outside the queue in between: what was to be thought of next
is a history without them (R6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from matscout.drive.loop import Loop
from matscout.drive.policy import Policy
from matscout.drive.recommend import handed_out
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.pool import Pool
from matscout.space import Space
from matscout.trial import Proposal

POLICY = Policy(trials=8, slots=2, batch=1, ahead=4, overlap=True)
CANDIDATES = Space(pool=Pool.from_rows([{"id": f"c{i:02}", "x": i} for i in range(40)]))


@dataclass
class Lowest:
    """The first candidates that nobody has asked for."""

    name: str = "lowest"

    def propose(self, space: Space, history: History, n: int, *, seed: int) -> list[Proposal]:
        assert space.pool is not None
        asked = {trial.candidate for trial in history.asked_for}
        free = [c for c in space.pool.ids if c not in asked]
        return [Proposal(space.pool.params(c), c) for c in free[:n]]


Sit = Callable[..., Loop]


@pytest.fixture
def sit(make_loop: Any, scripted: Any, late: Any) -> Sit:
    """A sitting to its end, of the run that `before` has begun."""

    def run(policy: Policy, before: Loop | None = None) -> Loop:
        on = {} if before is None else {"journal": before.journal, "history": before.history}
        loop: Loop = make_loop(
            fleet=scripted(slots=2), space=CANDIDATES, proposer=Lowest(), policy=policy,
            think=late(1), **on,
        )  # fmt: skip
        loop.run()
        return loop

    return run


def all_different(loop: Loop) -> bool:
    asked = [trial.candidate for trial in loop.history.trials]
    return len(asked) == len(set(asked))


def test_overlap_switched_off_and_on_again(sit: Sit) -> None:
    first = sit(POLICY)
    sit(Policy(trials=12, slots=2), first)
    sit(replace(POLICY, trials=16), first)
    assert len(first.history.trials) == 16 and all_different(first)


@pytest.mark.parametrize("trials", [7, 8])
def test_a_person_measures_a_point_of_their_own(sit: Sit, trials: int) -> None:
    first = sit(replace(POLICY, trials=trials))
    assert CANDIDATES.pool is not None
    for candidate in ("c08", "c09"):
        number = len(first.history.trials)
        params = dict(CANDIDATES.pool.params(candidate))
        body = {"params": params, "candidate": candidate, "proposer": "person"}
        value = Event(EventKind.MEASURED, number, 1, {"values": {"y": 1.0}})
        first.record(*handed_out(number, body), value)
    sit(replace(POLICY, trials=16), first)
    assert all_different(first)


def test_reports_after_a_late_value_do_not_reach_a_fork() -> None:
    history = History(
        [
            Event(EventKind.CREATED, body={"targets": [{"name": "y"}]}),
            Event(EventKind.ASKED, 0, body={"params": {"x": 0}}),
            Event(EventKind.DISPATCHED, 0, 1),
            Event(EventKind.EXPIRED, 0, 1, {}),
            Event(EventKind.DISPATCHED, 0, 2),
            Event(EventKind.MEASURED, 0, 1, {"values": {"y": 1.0}}),
        ]
    )
    fork = history.fork()
    history.apply(Event(EventKind.REPORTED, 0, 2, {"step": 1, "values": {"y": 5.0}}))
    assert not fork.trials[0].reports
