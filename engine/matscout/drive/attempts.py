"""Which attempts are under way, and until when each of them may be silent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableSequence

from matscout.clock import Clock
from matscout.fleet.base import Fleet, Queueing
from matscout.outcome import Outcome

_WORDS = 4
"""Polls for each slot to hear out a fleet that tells one thing a poll, before a lease has run out."""


class Attempts:
    """What this sitting has submitted and not heard the end of. Leases run on the monotonic clock, and
    begin when a worker does: an attempt that the fleet has no worker for yet is not silent."""

    def __init__(self, clock: Clock, lease_s: float | None, fleet: Fleet) -> None:
        self._clock, self._lease_s, self._fleet = clock, lease_s, fleet
        self._queueing = fleet if isinstance(fleet, Queueing) else None
        self._running: dict[int, int] = {}  # trial → attempt
        self._fresh: set[int] = set()  # trials that nobody was seen at work on
        self._deadline: dict[int, float] = {}  # trial → when its lease ends

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, trial: object) -> bool:
        return trial in self._running

    def items(self) -> list[tuple[int, int]]:
        """(trial, attempt), the earliest submitted first."""
        return list(self._running.items())

    def begin(self, trial: int, attempt: int) -> None:
        self._running[trial] = attempt
        self._fresh.add(trial)
        self._renew(trial)

    def listen(self, within_s: float) -> list[Outcome]:
        """What the fleet says within so many seconds. All of it is a sign of life."""
        said = self._fleet.poll(within_s)
        for outcome in said:
            self.heard(outcome)
        self._fresh &= self._queued()
        return said

    def not_begun(self) -> list[int]:
        """Trials that wait for a worker, and for which none has done anything yet."""
        return sorted(self._fresh & self._queued())

    def heard(self, outcome: Outcome) -> None:
        """A sign of life: the lease begins again, unless it has run out."""
        self._fresh.discard(outcome.trial)
        if outcome.trial in self._deadline and self._running[outcome.trial] == outcome.attempt:
            self._renew(outcome.trial)

    def end(self, outcome: Outcome) -> bool:
        """Whether `outcome` ends an attempt that was under way."""
        if self._running.get(outcome.trial) != outcome.attempt:
            return False
        del self._running[outcome.trial]
        self._deadline.pop(outcome.trial, None)
        return True

    def silent(self, waiting: MutableSequence[Outcome]) -> list[tuple[int, int]]:
        """(trial, attempt) where a lease has run out, each told once; none that `waiting` is of. What
        workers said while the driver was thinking is heard first, and added to `waiting`."""
        late = self._late(waiting)
        for _ in range(_WORDS * self._fleet.slots if late else 0):
            said = self.listen(0.0)
            waiting.extend(said)
            late = self._late(waiting)
            if not (said and late):
                break
        for trial in late:
            del self._deadline[trial]
        return [(trial, self._running[trial]) for trial in late]

    def _late(self, waiting: Iterable[Outcome]) -> list[int]:
        if not self._deadline:
            return []
        for trial in self._queued() & self._deadline.keys():
            self._renew(trial)
        now = self._clock.monotonic()
        late = [t for t, deadline in self._deadline.items() if deadline <= now]
        if late:
            heard = {outcome.trial for outcome in waiting}
            late = [t for t in late if t not in heard]
        return late

    def tell(self, person: Callable[[str], None]) -> None:
        """What the fleet has to say of the workers that it has or lacks."""
        for note in self._queueing.notes() if self._queueing is not None else ():
            person(note)

    def _queued(self) -> set[int]:
        return set() if self._queueing is None else set(self._queueing.queued)

    def _renew(self, trial: int) -> None:
        if self._lease_s is not None:
            self._deadline[trial] = self._clock.monotonic() + self._lease_s
