"""Leases: who is under way, and who has been silent for too long."""

from __future__ import annotations

import pytest

from matscout.clock import VirtualClock
from matscout.drive.attempts import Attempts
from matscout.fleet.inline import Inline
from matscout.outcome import Kind, Outcome


@pytest.fixture
def fleet() -> Inline:
    """Without anything to do."""
    return Inline(lambda: None, (), None)  # type: ignore[arg-type, return-value]


def said(trial: int, attempt: int = 1, kind: Kind = Kind.REPORTED) -> Outcome:
    return Outcome(trial, attempt, kind)


def test_a_sign_of_life_begins_the_lease_again(fleet: Inline) -> None:
    clock = VirtualClock()
    attempts = Attempts(clock, 10.0, fleet)
    attempts.begin(0, 1)
    attempts.begin(1, 2)
    clock.advance(9.0)
    attempts.heard(said(0))
    attempts.heard(said(1, attempt=1))  # of an attempt that is over
    attempts.heard(said(7))
    clock.advance(1.0)
    assert attempts.silent([]) == [(1, 2)]
    assert attempts.silent([]) == [] and 1 in attempts  # told once; it still holds its slot
    attempts.heard(said(1, attempt=2))  # too late
    clock.advance(9.0)
    assert attempts.silent([said(0, kind=Kind.MEASURED)]) == []  # it waits to be taken
    assert attempts.silent([]) == [(0, 1)]


class Short(Inline):
    """A fleet with fewer workers than it was asked for."""

    def __init__(self, waiting: list[int], said: list[str] | None = None) -> None:
        super().__init__(lambda: None, (), None)  # type: ignore[arg-type, return-value]
        self.waiting, self.said = waiting, said or []

    @property
    def queued(self) -> list[int]:
        return self.waiting

    def notes(self) -> list[str]:
        said, self.said = self.said, []
        return said


def test_a_lease_begins_when_a_worker_does() -> None:
    """Not when the attempt is handed to a fleet whose workers are all busy, or still starting."""
    clock, fleet = VirtualClock(), Short([0, 1])
    attempts = Attempts(clock, 10.0, fleet)
    for trial in (0, 1, 2):
        attempts.begin(trial, 1)
    clock.advance(25.0)
    assert attempts.silent([]) == [(2, 1)]
    fleet.waiting = [1]
    clock.advance(9.0)
    assert attempts.silent([]) == []
    clock.advance(1.0)
    assert attempts.silent([]) == [(0, 1)], "its worker has been silent since it began"
    fleet.waiting = []
    clock.advance(10.0)
    assert attempts.silent([]) == [(1, 1)]


def test_what_a_fleet_says_of_its_workers_is_told_once() -> None:
    attempts = Attempts(VirtualClock(), None, Short([], ["1 of 2 workers"]))
    told: list[str] = []
    attempts.tell(told.append)
    attempts.tell(told.append)
    assert told == ["1 of 2 workers"]


def test_only_its_own_end_ends_an_attempt(fleet: Inline) -> None:
    attempts = Attempts(VirtualClock(), None, fleet)
    attempts.begin(3, 2)
    assert not attempts.end(said(3, attempt=1)) and attempts.items() == [(3, 2)]
    assert attempts.end(said(3, attempt=2)) and not len(attempts)
    assert not attempts.end(said(3, attempt=2))
    assert attempts.silent([]) == []
