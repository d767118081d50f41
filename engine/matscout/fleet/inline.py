"""The fleet that has no workers: attempts run in the driver's own thread, for the debugger."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from matscout.fleet.base import EvaluatorFactory
from matscout.fleet.outbox import Outbox
from matscout.fleet.worker import MadeOnce, attempt
from matscout.outcome import NEVER_BEGAN, Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target


class Inline:
    """`submit` queues; `poll` works on the oldest attempt until it says one thing.

    So the loop sees every report before the evaluator goes on, and can cancel. What an evaluator
    does to its process it does to the driver, and a timeout is only cooperative.
    """

    def __init__(
        self,
        factory: EvaluatorFactory,
        targets: tuple[Target, ...],
        folder: RunFolder | None,
        slots: int = 1,
        device: str = "cpu",
    ) -> None:
        self.slots = slots
        self._evaluator = MadeOnce(factory)
        self._targets = tuple(targets)
        self._folder = folder
        self._device = device
        self._queue: deque[_Job] = deque()
        self._closed = False
        if folder is not None:
            folder.outbox.mkdir(0o700, parents=True, exist_ok=True)

    def submit(self, assignment: Assignment) -> None:
        if self._closed or len(self._queue) >= self.slots:
            raise RuntimeError("the fleet is closed" if self._closed else "no free slot")
        self._queue.append(_Job(assignment, _WorkClock()))

    def poll(self, timeout_s: float) -> list[Outcome]:
        if not self._queue:
            # A fleet without workers can only wait for nothing.
            time.sleep(max(timeout_s, 0.0))
            return []
        job = self._queue[0]
        if job.outcomes is None and job.asked:
            self._queue.popleft()
            assignment = job.assignment
            return [Outcome(assignment.trial, assignment.attempt, Kind.STOPPED, reason=NEVER_BEGAN)]
        outcomes = job.outcomes = job.outcomes or self._begin(job)
        try:
            with job.clock:
                outcome = next(outcomes)
        except BaseException:  # Ctrl-C: there is nothing to go on with
            self._queue.popleft()
            raise
        if outcome.ends_attempt:
            self._queue.popleft()
        return [outcome]

    @property
    def queued(self) -> list[int]:
        return [job.assignment.trial for job in self._queue if job.outcomes is None]

    def notes(self) -> list[str]:
        return []

    def cancel(self, trial: int) -> None:
        for job in self._queue:
            if job.assignment.trial == trial:
                job.asked = True

    def acknowledge(self, outcome: Outcome) -> None:
        if self._folder is not None:
            Outbox(self._folder.outbox).acknowledge(outcome)

    def close(self) -> None:
        self._closed = True
        while self._queue:
            outcomes = self._queue.popleft().outcomes
            if outcomes is not None:
                outcomes.close()  # type: ignore[attr-defined]

    def _begin(self, job: _Job) -> Iterator[Outcome]:
        return attempt(
            self._evaluator,
            job.assignment,
            self._targets,
            self._folder,
            should_stop=lambda: job.asked,
            device=self._device,
            worker_name="inline",
            clock=job.clock,
        )


class _WorkClock:
    """Seconds spent at work: it stands still while the loop has the thread."""

    def __init__(self) -> None:
        self._worked_s = 0.0
        self._since_s: float | None = None

    def monotonic(self) -> float:
        running_s = 0.0 if self._since_s is None else time.monotonic() - self._since_s
        return self._worked_s + running_s

    def wall(self) -> float:
        return time.time()

    def __enter__(self) -> None:
        self._since_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._worked_s = self.monotonic()
        self._since_s = None


@dataclass
class _Job:
    assignment: Assignment
    clock: _WorkClock
    outcomes: Iterator[Outcome] | None = None
    asked: bool = False
