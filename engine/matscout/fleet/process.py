"""Worker processes on this machine: one for each slot, long-lived, replaced when they die."""

from __future__ import annotations

import json
import selectors
import signal
import time
from functools import partial
from pathlib import Path

from matscout.errors import InputError
from matscout.evaluate.descriptors import is_short
from matscout.fleet.base import EvaluatorFactory
from matscout.fleet.child import Child, factory_bytes
from matscout.fleet.outbox import Outbox
from matscout.fleet.process_worker import READY
from matscout.fleet.running import MadeUp, Running
from matscout.fleet.worker import assignment_to_json
from matscout.fleet.worker_log import log_path
from matscout.outcome import NEVER_BEGAN, Assignment, Kind, Outcome
from matscout.runfolder import RunFolder
from matscout.trial import Target

_END_S = 1.0
"""How long `close` waits before it kills."""

_DEATH_S = 0.5
"""How long a worker that hung up may take to be dead."""


class ProcessFleet:
    """A fleet of `slots` processes, each started afresh (nothing is forked from the driver).

    Numerical libraries in a worker use `threads` threads. An attempt that does not stop within
    `grace_s` seconds of being asked to, or of its timeout, is killed with everything it started.
    What workers print goes to `logs/` in the run folder. Workers end when their driver dies; but if
    the evaluator is costly, or `costly` says so, one at work first finishes its attempt and writes
    the outbox.

    Raises InputError if the factory cannot be sent to another process.
    """

    def __init__(
        self,
        factory: EvaluatorFactory,
        targets: tuple[Target, ...],
        folder: RunFolder,
        slots: int = 2,
        threads: int = 1,
        grace_s: float = 5.0,
        device: str = "cpu",
        costly: bool = False,
    ) -> None:
        if slots < 1:
            raise InputError("fleet.slots", f"must be at least 1, got {slots}")
        self.slots = slots
        self._outbox = Outbox(folder.outbox)
        self._grace_s = grace_s
        self._selector = selectors.DefaultSelector()
        self._closed = False
        self._made_here: list[Outcome] = []
        self._made_up = MadeUp(self._outbox)
        self._notes: list[str] = []
        self._short = False
        folder.outbox.mkdir(0o700, parents=True, exist_ok=True)
        start = partial(
            Child,
            factory_bytes(factory),
            targets=tuple(targets),
            root=folder.root.absolute(),
            device=device,
            threads=threads,
            costly=costly,
        )
        names = [f"process-{i}" for i in range(slots)]
        self._slots = [_Slot(name, log_path(folder, name), start) for name in names]
        for slot in self._slots:
            self._start(slot)

    def submit(self, assignment: Assignment) -> None:
        slot = next((s for s in self._slots if s.running is None), None)
        if slot is None or self._closed:
            raise RuntimeError("no free slot" if slot is None else "the fleet is closed")
        if slot.child is not None and slot.child.dead():
            self._reap(slot)  # it died idle: no attempt is to blame
        slot.running = Running(assignment, self._grace_s, time.monotonic())
        if slot.ready:
            slot.hand_over()
        self._staff()

    def poll(self, timeout_s: float) -> list[Outcome]:
        until_s = time.monotonic() + timeout_s
        while not self._closed:
            self._staff()
            # A driver may have stood still: workers are heard before the clock judges them.
            outcomes = self._made_here + self._heard(0.0)
            self._made_here = []
            self._enforce()
            outcomes += self._made_up.settled()
            look_again_s = min((s.look_again_s for s in self._slots), default=until_s)
            wait_s = 0.0 if outcomes else min(until_s, look_again_s) - time.monotonic()
            outcomes += self._heard(wait_s) + self._made_up.settled()
            if outcomes or time.monotonic() >= until_s:
                return outcomes
        return []

    def cancel(self, trial: int) -> None:
        for slot in self._slots:
            running = slot.running
            if running is None or running.assignment.trial != trial:
                continue
            if running.began_s is None:
                slot.running = None
                now_s = time.monotonic()
                self._made_here.append(running.outcome(Kind.STOPPED, NEVER_BEGAN, now_s, slot.name))
            elif running.asked_s is None:
                running.asked_s = time.monotonic()
                slot.order({"stop": [running.assignment.trial, running.assignment.attempt]})

    def acknowledge(self, outcome: Outcome) -> None:
        self._outbox.acknowledge(outcome)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for slot in self._slots:
            if slot.child is not None:
                slot.child.end(by_force=slot.running is not None)
        until_s = time.monotonic() + _END_S
        for slot in self._slots:
            if slot.child is not None:
                self._reap(slot, until_s - time.monotonic())
            if slot.running is not None:
                assignment, slot.running = slot.running.assignment, None
                self._outbox.locks.clear(assignment.trial, assignment.attempt)
        self._selector.close()

    def pids(self) -> list[int]:
        """The worker processes that are up now."""
        return [slot.child.pid for slot in self._slots if slot.child is not None]

    @property
    def queued(self) -> list[int]:
        jobs = [slot.running for slot in self._slots if slot.running is not None]
        return [job.assignment.trial for job in jobs if job.began_s is None]

    def notes(self) -> list[str]:
        told, self._notes = self._notes, []
        return told

    def _staff(self) -> None:
        """Start workers for attempts that have none; those that cannot be had now, at the next poll."""
        for slot in self._slots:
            if slot.running is None or slot.child is not None:
                continue
            try:
                self._start(slot)
                slot.running.submitted_s = time.monotonic()  # from now on its worker takes time
                self._short = False
            except OSError as error:
                if not is_short(error):
                    raise
                if not self._short:
                    self._notes.append(f"paused: no worker can be started ({error.strerror})")
                self._short = True

    def _start(self, slot: _Slot) -> None:
        child = slot.child = slot.start(name=slot.name, log=slot.log)
        slot.ready = False
        for handle in child.handles:
            self._selector.register(handle, selectors.EVENT_READ, slot)

    def _reap(self, slot: _Slot, patience_s: float = 0.0) -> str:
        """Make sure that the slot's process and its family are gone; why it died."""
        child = slot.child
        assert child is not None
        for handle in child.handles:
            self._selector.unregister(handle)
        slot.child, slot.ready = None, False
        return child.reap(patience_s)

    def _heard(self, wait_s: float) -> list[Outcome]:
        """What workers say within so many seconds, as soon as one does."""
        due = self._selector.select(max(wait_s, 0.0))
        return [outcome for key, _ in due for outcome in self._hear(key.data)]

    def _hear(self, slot: _Slot) -> list[Outcome]:
        """What a slot's worker says, or that it died."""
        if slot.child is None:
            return []  # both of its handles were due, and the first one told all
        messages, dead = slot.child.read()
        outcomes = [o for m in messages for o in self._understand(slot, m)]
        if dead:
            self._bury(slot)
        return outcomes

    def _understand(self, slot: _Slot, message: bytes) -> list[Outcome]:
        if message == READY:
            slot.ready = True
            if slot.running is not None:
                slot.hand_over()
            return []
        outcome = Outcome.from_json(message.decode())
        if outcome.ends_attempt:
            slot.running = None
        return [outcome]

    def _bury(self, slot: _Slot) -> None:
        # Its end of the pipe may close a moment before it is dead: let it die of its own cause.
        cause = self._reap(slot, _DEATH_S)
        running, slot.running = slot.running, None
        if running is None:
            return
        now_s = time.monotonic()
        if running.terminated:
            outcome = running.ended_by_force(now_s, slot.name)
        else:
            outcome = running.outcome(Kind.CRASHED, f"the worker died: {cause}", now_s, slot.name)
        self._made_up.add(outcome)

    def _enforce(self) -> None:
        """Climb the ladder of those who should have ended by now."""
        now_s = time.monotonic()
        for slot in self._slots:
            running = slot.running
            if running is None or slot.child is None or now_s < running.look_again_s:
                continue
            if now_s >= running.kill_at_s:
                self._reap(slot)
                slot.running = None
                self._made_up.add(running.ended_by_force(now_s, slot.name))
            else:
                running.terminated = True
                slot.child.signal_family(signal.SIGTERM)


class _Slot:
    """A place for one attempt, and the process that serves it now."""

    def __init__(self, name: str, log: Path, start: partial[Child]) -> None:
        self.name, self.log, self.start = name, log, start
        self.child: Child | None = None
        self.ready = False
        self.running: Running | None = None

    @property
    def look_again_s(self) -> float:
        if self.running is None or self.child is None:
            return float("inf")
        return self.running.look_again_s

    def hand_over(self) -> None:
        assert self.running is not None and self.child is not None
        self.running.began_s = time.monotonic()
        self.order({"run": assignment_to_json(self.running.assignment)})

    def order(self, order: dict[str, object]) -> None:
        assert self.child is not None
        self.child.send(json.dumps(order).encode())
