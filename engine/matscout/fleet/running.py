"""An attempt in a worker's hands, and when it has to be ended by force."""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from matscout.evaluate.descriptors import is_short
from matscout.fleet.outbox import Outbox
from matscout.outcome import Assignment, Kind, Outcome

START_S = 300.0
"""How long a worker may take to come up (imports, loading a potential). Not counted as work."""

LATE_LOOK_S = 5.0
"""How often the words of workers that were taken for dead are looked for."""

TERM_S = 1.0
"""Between SIGTERM and SIGKILL: time for a command to remove its scratch files."""


@dataclass
class Running:
    """The ladder of an ending: asked to stop, `grace_s` later SIGTERM, TERM_S later SIGKILL.

    The worker itself watches `timeout_s` and stops cooperatively; the ladder is for those that do
    not. All times are monotonic seconds.
    """

    assignment: Assignment
    grace_s: float
    submitted_s: float
    began_s: float | None = None
    asked_s: float | None = None
    terminated: bool = False

    @property
    def term_at_s(self) -> float:
        """When SIGTERM is due; infinity if never."""
        if self.terminated:
            return math.inf
        asked_s = math.inf if self.asked_s is None else self.asked_s
        return min(asked_s, self._limit_s) + self.grace_s

    @property
    def kill_at_s(self) -> float:
        """When SIGKILL is due; infinity if never."""
        if self.began_s is None and self.asked_s is None:
            return self.submitted_s + START_S
        asked_s = math.inf if self.asked_s is None else self.asked_s
        return min(asked_s, self._limit_s) + self.grace_s + TERM_S

    @property
    def look_again_s(self) -> float:
        return min(self.term_at_s, self.kill_at_s)

    @property
    def _limit_s(self) -> float:
        limit_s = self.assignment.timeout_s
        return math.inf if limit_s is None or self.began_s is None else self.began_s + limit_s

    def ended_by_force(self, now_s: float, worker: str) -> Outcome:
        """The outcome of an attempt whose worker had to be killed.

        One that the loop asked to stop is `stopped`, however rough its end; the others crashed.
        """
        if self.asked_s is not None:
            reason = f"killed: it did not stop within {self.grace_s:g} s of being asked"
            return self.outcome(Kind.STOPPED, reason, now_s, worker)
        if self.began_s is None:
            return self.outcome(
                Kind.CRASHED, f"its worker did not start within {START_S:g} s", now_s, worker
            )
        reason = f"timeout after {self.assignment.timeout_s:g} s: killed"
        return self.outcome(Kind.CRASHED, reason, now_s, worker)

    def outcome(self, kind: Kind, reason: str, now_s: float, worker: str) -> Outcome:
        began_s = now_s if self.began_s is None else self.began_s
        return Outcome(
            trial=self.assignment.trial,
            attempt=self.assignment.attempt,
            kind=kind,
            reason=reason,
            cost_s=max(now_s - began_s, 0.0),
            worker=worker,
        )


def settled(outbox: Outbox, outcome: Outcome) -> Outcome:
    """`outcome`, which a fleet made up for a dead worker, unless the worker had a last word.

    A worker may die between its outbox and its report (promise R2): what it wrote is the truth.
    OSError where no file descriptor is left to look with.
    """
    outbox.locks.clear(outcome.trial, outcome.attempt)
    return outbox.read(outcome.trial, outcome.attempt) or outcome


@dataclass
class MadeUp:
    """Endings that a fleet made up for workers that died, or seemed to.

    They wait until a file descriptor is free to look for a last word with. Who was cut off from the
    network, or could not be killed, may have one later: it is looked for as long as the fleet lives.
    """

    outbox: Outbox
    waiting: deque[Outcome] = field(default_factory=deque)
    silent: set[tuple[int, int]] = field(default_factory=set)
    """(trial, attempt) of those that had left no word."""
    _look_s: float = 0.0

    def add(self, outcome: Outcome) -> None:
        self.waiting.append(outcome)

    def settled(self) -> list[Outcome]:
        """Those that can be settled now, and what has come late, each once."""
        found = []
        while self.waiting:
            made_up = self.waiting[0]
            try:
                found.append(settled(self.outbox, made_up))
            except OSError as error:
                if not is_short(error):
                    raise
                break
            self.waiting.popleft()
            if found[-1] is made_up:
                self.silent.add((made_up.trial, made_up.attempt))
        return found + self._late()

    def _late(self) -> list[Outcome]:
        """The words of those that were taken for dead."""
        now_s = time.monotonic()
        if not self.silent or now_s < self._look_s:
            return []
        self._look_s = now_s + LATE_LOOK_S
        found = []
        with suppress(OSError):  # what cannot be looked at now is there the next time
            for key in sorted(self.silent & self.outbox.written()):
                if (outcome := self.outbox.read(*key)) is not None:
                    self.silent.discard(key)
                    found.append(outcome)
        return found
