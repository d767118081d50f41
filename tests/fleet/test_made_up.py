"""Endings that a fleet makes up for workers which died, and the words of those that did not die."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from matscout.clock import VirtualClock
from matscout.fleet import running
from matscout.fleet.outbox import Outbox
from matscout.fleet.running import LATE_LOOK_S, MadeUp
from matscout.outcome import Kind, Outcome

DIED = Outcome(3, 1, Kind.CRASHED, reason="the worker died: its node died")
RESULT = Outcome(3, 1, Kind.MEASURED, {"y": 0.5})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    clock = VirtualClock(100.0)
    monkeypatch.setattr(running, "time", clock)
    return clock


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUp:
    return MadeUp(Outbox(tmp_path))


def test_a_last_word_takes_the_place_of_what_was_made_up(
    made_up: MadeUp, clock: VirtualClock
) -> None:
    made_up.add(DIED)
    made_up.outbox.write(RESULT)
    assert made_up.settled() == [RESULT]
    clock.now_s += 2 * LATE_LOOK_S
    assert made_up.settled() == []


def test_the_word_of_a_worker_that_was_cut_off_is_told_once_when_it_comes(
    made_up: MadeUp, clock: VirtualClock
) -> None:
    made_up.add(DIED)
    assert made_up.settled() == [DIED]
    made_up.outbox.write(RESULT)
    assert made_up.settled() == [], "a busy fleet looks now and then"
    clock.now_s += LATE_LOOK_S
    assert made_up.settled() == [RESULT]
    clock.now_s += LATE_LOOK_S
    assert made_up.settled() == []


def test_nobody_elses_word_is_told(made_up: MadeUp, clock: VirtualClock) -> None:
    """It comes by itself, and would be told twice."""
    made_up.add(DIED)
    made_up.settled()
    made_up.outbox.write(Outcome(3, 2, Kind.MEASURED, {"y": 0.5}))
    clock.now_s += LATE_LOOK_S
    assert made_up.settled() == []


def test_what_cannot_be_looked_at_is_looked_at_later(
    made_up: MadeUp, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up.add(DIED)
    made_up.settled()
    made_up.outbox.write(RESULT)
    clock.now_s += LATE_LOOK_S

    def short(path: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("matscout.fleet.outbox.read_bounded", short)
        assert made_up.settled() == []
    clock.now_s += LATE_LOOK_S
    assert made_up.settled() == [RESULT]
