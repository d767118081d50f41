"""The fleet on a virtual clock: thousands of workers in one thread, faults drawn from a seed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from matscout.clock import VirtualClock
from matscout.fleet.base import EvaluatorFactory
from matscout.fleet.outbox import Outbox
from matscout.fleet.running import TERM_S
from matscout.fleet.worker import MadeOnce, attempt
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

Duration = Callable[[Assignment, np.random.Generator], float]
"""Seconds between one thing that an evaluator says and the next, drawn once for each attempt."""


def one_minute(assignment: Assignment, rng: np.random.Generator) -> float:
    return 60.0


@dataclass(frozen=True)
class Faults:
    """How often an attempt meets each fault (probabilities; crash, hang and late exclude another).

    `crash`: its worker dies on the way. `hang`: it says nothing and never ends. `late`: everything
    takes `late_factor` times as long, and its worker cannot be killed: an attempt that was given
    up still delivers its result. `duplicate`: its last word comes twice.
    """

    crash: float = 0.0
    hang: float = 0.0
    late: float = 0.0
    duplicate: float = 0.0
    late_factor: float = 10.0


NO_FAULTS = Faults()


class _Fate(StrEnum):
    WELL = "well"
    CRASH = "crash"
    HANG = "hang"
    LATE = "late"


@dataclass
class _Job:
    assignment: Assignment
    worker: str
    fate: _Fate
    step_s: float
    twice: bool
    began_s: float
    outcomes: Iterator[Outcome] | None = None
    due_s: float = 0.0
    asked: bool = False
    given_up: bool = False


@dataclass(order=True)
class _Event:
    """What happens at `due_s`; events of one instant happen in the order of their making."""

    due_s: float
    order: int
    act: Callable[[], list[Outcome]] = field(compare=False)


class SimulatedFleet:
    """Nothing here depends on the machine's clock or on anything random but `seed`.

    An evaluator runs in the driver's thread, one `yield` at a time, each when its virtual time has
    come; so a trainer reports on the way, and can be stopped on the way. `poll` moves `clock` to
    the next outcome, or by its timeout. An attempt draws its duration and its faults from (seed,
    trial, attempt) alone.
    """

    def __init__(
        self,
        factory: EvaluatorFactory,
        targets: tuple[Target, ...],
        folder: RunFolder | None,
        slots: int,
        clock: VirtualClock,
        seed: int = 0,
        duration: Duration = one_minute,
        faults: Faults = NO_FAULTS,
        grace_s: float = 5.0,
    ) -> None:
        self.slots = slots
        self._evaluator = MadeOnce(factory)
        self._targets = tuple(targets)
        self._folder = folder
        self._clock = clock
        self._seed, self._duration, self._faults = seed, duration, faults
        self._grace_s = grace_s
        self._events: list[_Event] = []
        self._made = 0
        self._busy: dict[int, _Job] = {}
        self._worked_s = 0.0
        self._free = list(range(slots - 1, -1, -1))
        if folder is not None:
            folder.outbox.mkdir(0o700, parents=True, exist_ok=True)

    def submit(self, assignment: Assignment) -> None:
        if not self._free:
            raise RuntimeError("no free slot")
        job = self._draw(assignment, self._free.pop())
        self._busy[assignment.trial] = job
        if job.fate is not _Fate.HANG:
            # The core takes the time from here on, so an oracle's cost is its virtual duration.
            job.outcomes = attempt(
                self._evaluator,
                assignment,
                self._targets,
                self._folder,
                should_stop=lambda: job.asked,
                worker_name=job.worker,
                clock=self._clock,
            )
            self._go_on(job)
        if assignment.timeout_s is not None:
            reason = f"timeout after {assignment.timeout_s:g} s: killed"
            self._at(
                assignment.timeout_s + self._grace_s + TERM_S,
                lambda: self._give_up(job, Kind.CRASHED, reason),
            )

    def poll(self, timeout_s: float) -> list[Outcome]:
        until_s = self._clock.now_s + timeout_s
        while self._events and self._events[0].due_s <= until_s:
            now_s = max(self._events[0].due_s, self._clock.now_s)
            self._clock.advance(now_s - self._clock.now_s)
            outcomes: list[Outcome] = []
            while self._events and self._events[0].due_s <= now_s:
                outcomes += heapq.heappop(self._events).act()
            if outcomes:
                return outcomes
        self._clock.advance(max(until_s - self._clock.now_s, 0.0))
        return []

    def cancel(self, trial: int) -> None:
        job = self._busy.get(trial)
        if job is None or job.asked:
            return
        job.asked = True
        reason = f"killed: it did not stop within {self._grace_s:g} s of being asked"
        self._at(self._grace_s + TERM_S, lambda: self._give_up(job, Kind.STOPPED, reason))

    def acknowledge(self, outcome: Outcome) -> None:
        if self._folder is not None:
            Outbox(self._folder.outbox).acknowledge(outcome)

    def worked_s(self) -> float:
        """Seconds that workers have worked up to now, all of them together; not those of an attempt
        that hung or was given up halfway. A worker that is done does not work on until it is heard."""
        under_way = (
            min(job.due_s, self._clock.now_s) - (job.due_s - job.step_s)
            for job in self._busy.values()
            if job.outcomes is not None
        )
        return self._worked_s + sum(under_way)

    def close(self) -> None:
        self._events.clear()
        for job in self._busy.values():
            if job.outcomes is not None:
                job.outcomes.close()  # type: ignore[attr-defined]
        self._busy.clear()
        self._free.clear()

    def _draw(self, assignment: Assignment, slot: int) -> _Job:
        entropy = (self._seed, assignment.trial, assignment.attempt)
        rng = np.random.default_rng(np.random.SeedSequence(entropy))
        faults = self._faults
        # Drawn first and always, so that durations are the same with and without faults.
        step_s = float(self._duration(assignment, rng))
        luck, twice = rng.random(2)
        fate = _Fate.WELL
        for candidate, share in (
            (_Fate.CRASH, faults.crash),
            (_Fate.HANG, faults.hang),
            (_Fate.LATE, faults.late),
        ):
            if luck < share:
                fate = candidate
                break
            luck -= share
        if fate is _Fate.LATE:
            step_s *= faults.late_factor
        return _Job(
            assignment,
            f"simulated-{slot}",
            fate,
            step_s,
            bool(twice < faults.duplicate),
            self._clock.now_s,
        )

    def _go_on(self, job: _Job) -> None:
        """Work until the evaluator says its next thing."""
        job.due_s = self._clock.now_s + job.step_s
        self._at(job.step_s, lambda: self._step(job))

    def _step(self, job: _Job) -> list[Outcome]:
        self._worked_s += job.step_s
        if job.given_up and job.fate is not _Fate.LATE:
            return []
        if job.fate is _Fate.CRASH:
            return self._end(job, self._outcome(job, Kind.CRASHED, "the worker died: simulated"))
        assert job.outcomes is not None
        outcome = next(job.outcomes)
        if outcome.ends_attempt:
            return self._end(job, outcome)
        self._go_on(job)
        return [] if job.given_up else [outcome]

    def _end(self, job: _Job, outcome: Outcome) -> list[Outcome]:
        job.outcomes = None
        if not job.given_up:
            self._release(job)
        if job.twice:
            job.twice = False
            self._at(job.step_s, lambda: [outcome])
        return [outcome]

    def _give_up(self, job: _Job, kind: Kind, reason: str) -> list[Outcome]:
        """The driver's patience is over: the slot is free again, whatever the worker does."""
        if self._busy.get(job.assignment.trial) is not job:
            return []
        self._release(job)
        job.given_up = True
        if job.fate is not _Fate.LATE and job.outcomes is not None:
            job.outcomes.close()  # type: ignore[attr-defined]
        return [self._outcome(job, kind, reason)]

    def _release(self, job: _Job) -> None:
        del self._busy[job.assignment.trial]
        self._free.append(int(job.worker.rpartition("-")[2]))

    def _outcome(self, job: _Job, kind: Kind, reason: str) -> Outcome:
        return replace(
            Outcome(job.assignment.trial, job.assignment.attempt, kind, reason=reason),
            cost_s=self._clock.now_s - job.began_s,
            worker=job.worker,
        )

    def _at(self, after_s: float, act: Callable[[], list[Outcome]]) -> None:
        self._made += 1
        heapq.heappush(self._events, _Event(self._clock.now_s + after_s, self._made, act))
