"""Workers that live on the virtual clock, whether or not a driver is there, and the fleet that leads
to them.

The workers of fleet/simulated.py die with their fleet: enough to measure how busy they are kept. What
outlives its driver, and what reaches which driver when, needs a world that goes on between two sittings.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from matscout.evaluate.base import Evaluator
from matscout.fleet.attempt_lock import AttemptTaken
from matscout.fleet.outbox import Outbox
from matscout.fleet.part import trial_and_part
from matscout.fleet.running import TERM_S, settled
from matscout.fleet.worker import attempt
from matscout.outcome import Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.simulate.ledger import Ledger
from matscout.simulate.scenario import Scenario
from matscout.simulate.trouble import WORKERS, Trouble, WorkerKilled
from matscout.trial import Target

GRACE_S = 0.5
_PATIENCE = 300
"""Looks at a worker that outlived its driver before somebody presses Ctrl-C."""

_NOTICED_S = 0.3
"""Between the death of a worker and the moment when its fleet knows."""


@dataclass
class Job:
    """An attempt at a bench. `pace_s` is between two of its words; `orphan` once its driver is dead."""

    assignment: Assignment
    fleet: LabFleet
    fate: str
    pace_s: float
    rng: np.random.Generator
    dies_at: str = ""
    words: Iterator[Outcome] | None = None
    locked: ExitStack = field(default_factory=ExitStack)
    asked: bool = False
    given_up: bool = False
    orphan: bool = False
    said_s: float = 0.0

    @property
    def key(self) -> tuple[int, int]:
        return self.assignment.trial, self.assignment.attempt

    @property
    def outlives(self) -> bool:
        """Whether neither the fleet nor the death of its driver ends it."""
        return self.fate == "late"


@dataclass(order=True)
class _Due:
    due_s: float
    order: int
    act: Callable[[], None] = field(compare=False)


class World:
    """One a run. `trouble` is that of the sitting that is going on."""

    def __init__(self, scenario: Scenario, ledger: Ledger, trouble: Trouble) -> None:
        self.scenario, self.ledger, self.trouble = scenario, ledger, trouble
        self.clock = trouble.clock
        self.jobs: list[Job] = []
        self._due: list[_Due] = []
        self._made = 0

    def at(self, after_s: float, act: Callable[[], None]) -> None:
        self._made += 1
        heapq.heappush(self._due, _Due(self.clock.now_s + after_s, self._made, act))

    def go_on(self, until_s: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Let time pass up to `until_s`, or until it is `enough`."""
        while not enough() and self._due and self._due[0].due_s <= until_s:
            due = heapq.heappop(self._due)
            self.clock.advance(max(due.due_s - self.clock.now_s, 0.0))
            due.act()
        if not enough():
            self.clock.advance(max(until_s - self.clock.now_s, 0.0))

    def pause(self, seconds: float) -> None:
        """What a driver does that waits for a worker which outlived another."""
        self.trouble("world.pause")
        self.trouble.pauses += 1
        if self.trouble.pauses == _PATIENCE:
            self.trouble.interrupt.press()
        self.go_on(self.clock.now_s + seconds)

    def driver_died(self) -> None:
        """Its workers die with it, but for those at a costly experiment and those out of reach."""
        for job in list(self.jobs):
            if self.scenario.policy.costly or job.outlives:
                job.orphan = True
            else:
                self.end(job)
                if job.rng.random() < 0.5:  # the kernel frees the lock, the file stays
                    job.fleet.outbox.locks.path(*job.key).touch()

    def end(self, job: Job) -> None:
        """A worker is dead: it does no more, and its locks are free."""
        if job in self.jobs:
            self.jobs.remove(job)
        if job.words is not None:
            job.words.close()  # type: ignore[attr-defined]
        job.words = None
        job.locked.close()

    def begin(self, job: Job, evaluator: Evaluator) -> None:
        self.jobs.append(job)
        prompt = job.rng.random() < 0.5  # at work before `submit` returns
        if job.fate == "hang":
            self.at(0.0 if prompt else job.pace_s / 2, lambda: self._hang(job))
            return
        job.words = attempt(
            evaluator,
            job.assignment,
            job.fleet.targets,
            job.fleet.folder,
            should_stop=lambda: job.asked and not job.outlives,
            worker_name=job.fate,
            clock=self.clock,
        )
        if prompt:
            self._next_word(job)
        else:
            self.at(job.pace_s, lambda: self._next_word(job))

    def _hang(self, job: Job) -> None:
        if job not in self.jobs:
            return
        try:
            job.locked.enter_context(job.fleet.outbox.running(*job.key))
        except AttemptTaken:  # a driver that came after its own declared it void
            self._died(job)
            return
        self.ledger.begun[job.fleet.bench(job.assignment)] += 1

    def _next_word(self, job: Job) -> None:
        if job.words is None:
            return
        if job.fate == "crash" and job.rng.random() < 0.5:
            self._died(job)
            return
        self.trouble.worker_dies_at = job.dies_at
        self.trouble.worker_disk_full = job.rng.random() < self.scenario.rates.no_outbox
        try:
            outcome = next(job.words)
        except WorkerKilled:
            self._died(job)
            return
        finally:
            self.trouble.worker_dies_at = None
            if not job.fleet.of_parts:
                self.ledger.look(job.fleet.folder)
        if outcome.ends_attempt:
            job.words = None
            self.jobs.remove(job)
        else:
            self.at(job.pace_s, lambda: self._next_word(job))
        self._send(job, outcome)

    def _send(self, job: Job, outcome: Outcome) -> None:
        """On its way. The words of one attempt keep their order; those of two need not."""
        delay_s, rates = self.scenario.delay_s, self.scenario.rates
        late_s = float(job.rng.exponential(delay_s)) if delay_s else 0.0
        job.said_s = max(job.said_s, self.clock.now_s + late_s)
        self.at(job.said_s - self.clock.now_s, lambda: job.fleet.deliver(job, outcome))
        if not outcome.ends_attempt:
            return
        luck = job.rng.random(2)
        again = outcome
        if outcome.kind is Kind.MEASURED and luck[0] < rates.lie:
            again = replace(outcome, values={k: v + 0.5 for k, v in outcome.values.items()})
            if not job.fleet.of_parts:
                self.ledger.lies.add(job.key)
        elif luck[1] >= rates.twice:
            return
        after_s = job.said_s - self.clock.now_s + float(job.rng.exponential(2.0))
        self.at(after_s, lambda: job.fleet.deliver(job, again))

    def _died(self, job: Job) -> None:
        self.end(job)
        self.at(_NOTICED_S, lambda: job.fleet.bury(job, Kind.CRASHED, "the worker died: simulated"))


class LabFleet:
    """The fleet of one driver. It keeps the contract of fleet/base.py, but for what its laboratory does
    to it: a word may come twice, and after its attempt was given up."""

    def __init__(
        self,
        world: World,
        evaluator: Evaluator,
        targets: tuple[Target, ...],
        folder: RunFolder,
        slots: int,
        of_parts: bool = False,
    ) -> None:
        self.slots, self.targets, self.folder, self.of_parts = slots, targets, folder, of_parts
        self.outbox = Outbox(folder.outbox)
        self._world, self._evaluator = world, evaluator
        self._trouble = world.trouble
        self._busy: dict[int, Job] = {}
        self._mail: list[Outcome] = []
        self._closed = False
        folder.outbox.mkdir(0o700, parents=True, exist_ok=True)

    def submit(self, assignment: Assignment) -> None:
        if self._closed or len(self._busy) >= self.slots:
            raise RuntimeError("the fleet is closed" if self._closed else "no free slot")
        job = self._job(assignment)
        self._busy[assignment.trial] = job
        self._heard(job.key)
        self._world.begin(job, self._evaluator)
        self._trouble("fleet.submit")
        limit_s = assignment.timeout_s
        if limit_s is not None:
            reason = f"timeout after {limit_s:g} s: killed"
            after_s = limit_s + GRACE_S + TERM_S
            self._world.at(after_s, lambda: self.bury(job, Kind.CRASHED, reason, alive=True))

    def poll(self, timeout_s: float) -> list[Outcome]:
        self._trouble("fleet.poll")
        self._world.go_on(self._world.clock.now_s + timeout_s, lambda: bool(self._mail))
        mail, self._mail = self._mail, []
        for outcome in mail:
            self._heard((outcome.trial, outcome.attempt))
        return mail

    def cancel(self, trial: int) -> None:
        job = self._busy.get(trial)
        if job is not None and not job.asked:
            job.asked = True
            reason = f"killed: it did not stop within {GRACE_S:g} s of being asked"
            self._world.at(
                GRACE_S + TERM_S, lambda: self.bury(job, Kind.STOPPED, reason, alive=True)
            )

    def acknowledge(self, outcome: Outcome) -> None:
        if not self.of_parts:
            self._world.ledger.acknowledge(outcome)
        self.outbox.acknowledge(outcome)
        self._trouble("fleet.acknowledge")

    def close(self) -> None:
        """In order: every worker is ended that can be. (A killed driver closes nothing.)"""
        if self._trouble.dead or self._closed:
            return
        self._closed = True
        for job in [job for job in self._world.jobs if job.fleet is self]:
            if job.outlives:
                job.orphan = True
            else:
                self._world.end(job)
                self.outbox.locks.clear(*job.key)

    def bench(self, assignment: Assignment) -> tuple[int, ...]:
        """(trial, attempt), or (trial, attempt, part)."""
        if not self.of_parts:
            return assignment.trial, assignment.attempt
        trial, part = trial_and_part(assignment.trial)
        return trial, assignment.attempt, part

    # -- what the world does ------------------------------------------------------------------

    def deliver(self, job: Job, outcome: Outcome) -> None:
        if self._deaf(job):
            return
        if outcome.ends_attempt and self._busy.get(job.assignment.trial) is job:
            del self._busy[job.assignment.trial]
        elif not outcome.ends_attempt and job.given_up:
            return
        self._mail.append(outcome)

    def bury(self, job: Job, kind: Kind, reason: str, alive: bool = False) -> None:
        """The end of an attempt whose worker is dead or, should it be `alive`, is to be killed now."""
        if self._deaf(job) or self._busy.get(job.assignment.trial) is not job:
            return
        del self._busy[job.assignment.trial]
        job.given_up = True
        outcome = Outcome(*job.key, kind, reason=reason, worker=job.fate)
        if not (alive and job.outlives):
            self._world.end(job)
            outcome = settled(self.outbox, outcome)
        self._mail.append(outcome)

    def _deaf(self, job: Job) -> bool:
        return self._closed or job.orphan or self._trouble.dead

    def _heard(self, key: tuple[int, int]) -> None:
        if not self.of_parts:
            self._world.ledger.heard_s[key] = self._world.clock.now_s

    def _job(self, assignment: Assignment) -> Job:
        """Of an attempt (seed, trial, attempt), with all that will happen to it."""
        scenario = self._world.scenario
        key = (2, assignment.trial, assignment.attempt)
        rng = np.random.default_rng(np.random.SeedSequence(scenario.seed, spawn_key=key))
        pace_s = float(rng.exponential(scenario.step_s)) + 0.01
        luck, fate = rng.random(), "well"
        for name in ("crash", "cut", "hang", "late"):
            share = getattr(scenario.rates, name)
            if luck < share:
                fate = name
                break
            luck -= share
        job = Job(assignment, self, fate, pace_s, rng)
        if fate == "late":
            policy = scenario.policy
            patience_s = policy.lease_s or policy.timeout_s or 8.0 * pace_s
            job.pace_s = patience_s * float(rng.uniform(1.05, 1.8))
        elif fate == "cut":
            job.dies_at = WORKERS[int(rng.integers(len(WORKERS)))]
        return job
