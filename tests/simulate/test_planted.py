"""The simulator finds what it is there for: each of these bugs within 100 seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from matscout.clock import VirtualClock
from matscout.drive import absorb, loop, run
from matscout.drive.attempts import Attempts
from matscout.drive.loop import Loop
from matscout.drive.policy import Policy
from matscout.drive.recording import Recording
from matscout.event import Event, EventKind
from matscout.fleet.outbox import Outbox
from matscout.fleet.worker import attempt
from matscout.simulate.simulation import simulate
from matscout.simulate.trouble import JumpingClock
from matscout.simulate.world import Job, World
from matscout.trial import Trial

WITHIN = 100


def found(word: str) -> int:
    """The first seed whose problems name `word`."""
    for seed in range(WITHIN):
        if any(word in problem for problem in simulate(seed).problems):
            return seed
    pytest.fail(f"no seed below {WITHIN} found it")


def test_acknowledged_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def settle(self: Recording) -> None:
        while self._owed:
            self._acknowledge(self._owed.popleft())
        if self._staged:
            self.record()

    monkeypatch.setattr(Recording, "settle", settle)
    assert found("lost: the measurement") < WITHIN


def test_dispatched_before_it_is_journalled(monkeypatch: pytest.MonkeyPatch) -> None:
    def hand_out(self: Loop, bodies: Sequence[Mapping[str, Any]]) -> None:
        first = len(self.history.trials)
        asked = [Event(EventKind.ASKED, first + i, body=body) for i, body in enumerate(bodies)]
        firsts = [Event(EventKind.DISPATCHED, e.trial, 1) for e in asked]
        free = max(self.fleet.slots - len(self._running), 0)
        self._recording.stage(*asked, *firsts[:free])
        for event in firsts[:free]:
            self._submit(self.history.trials[event.trial or 0], 1)
        self.record()

    def dispatch(self: Loop, trial: Trial, number: int) -> None:
        self._recording.stage(Event(EventKind.DISPATCHED, trial.id, number))
        self._submit(trial, number)
        self.record()

    monkeypatch.setattr(Loop, "_hand_out", hand_out)
    monkeypatch.setattr(Loop, "_dispatch", dispatch)
    assert found("begun") < WITHIN


def test_a_fleet_that_retries_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ray does with max_task_retries: the worker died, its attempt begins anew elsewhere."""
    died = World._died

    def again(self: World, job: Job) -> None:
        if job.fate != "crash":
            died(self, job)
            return
        job.fate = "well"
        job.words = attempt(
            job.fleet._evaluator, job.assignment, job.fleet.targets, job.fleet.folder,
            should_stop=lambda: job.asked, clock=self.clock,
        )  # fmt: skip
        self.at(job.pace_s, lambda: self._next_word(job))

    monkeypatch.setattr(World, "_died", again)
    assert found("begun 2 times") < WITHIN


def test_costly_experiments_that_are_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    def given_up(
        trial: Trial, number: int, kind: EventKind, reason: str, policy: Policy
    ) -> list[Event]:
        return [Event(kind, trial.id, number, {"reason": reason})]

    for module in (absorb, loop, run):
        monkeypatch.setattr(module, "given_up", given_up)
    assert found("costly trial") < WITHIN


def test_leases_on_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wall(VirtualClock):
        def __init__(self, clock: JumpingClock) -> None:
            self._clock = clock

        def monotonic(self) -> float:
            return self._clock.wall()

    begin = Attempts.__init__
    monkeypatch.setattr(
        Attempts, "__init__", lambda self, clock, *more: begin(self, Wall(clock), *more)
    )
    assert found("expired after") < WITHIN


def test_an_outbox_that_is_not_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "sweep", lambda self, warn=None: [])
    assert found("not over, and") < WITHIN
