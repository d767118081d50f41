"""Leases: who is under way, and who has been silent for too long."""

from __future__ import annotations

from matscout.clock import VirtualClock
from matscout.drive.attempts import Attempts
from matscout.outcome import Kind, Outcome


def said(trial: int, attempt: int = 1, kind: Kind = Kind.REPORTED) -> Outcome:
    return Outcome(trial, attempt, kind)


def test_a_sign_of_life_begins_the_lease_again() -> None:
    clock = VirtualClock()
    attempts = Attempts(clock, lease_s=10.0)
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


def test_only_its_own_end_ends_an_attempt() -> None:
    attempts = Attempts(VirtualClock(), lease_s=None)
    attempts.begin(3, 2)
    assert not attempts.end(said(3, attempt=1)) and attempts.items() == [(3, 2)]
    assert attempts.end(said(3, attempt=2)) and not len(attempts)
    assert not attempts.end(said(3, attempt=2))
    assert attempts.silent([]) == []
