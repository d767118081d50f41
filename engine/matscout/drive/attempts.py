"""Which attempts are under way, and until when each of them may be silent."""

from __future__ import annotations

from collections.abc import Iterable

from matscout.clock import Clock
from matscout.outcome import Outcome


class Attempts:
    """What this sitting has submitted and not heard the end of. Leases run on the monotonic clock."""

    def __init__(self, clock: Clock, lease_s: float | None) -> None:
        self._clock, self._lease_s = clock, lease_s
        self._running: dict[int, int] = {}  # trial → attempt
        self._deadline: dict[int, float] = {}  # trial → when its lease ends

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, trial: int) -> bool:
        return trial in self._running

    def items(self) -> list[tuple[int, int]]:
        """(trial, attempt), the earliest submitted first."""
        return list(self._running.items())

    def begin(self, trial: int, attempt: int) -> None:
        self._running[trial] = attempt
        self._renew(trial)

    def heard(self, outcome: Outcome) -> None:
        """A sign of life: the lease begins again, unless it has run out."""
        if outcome.trial in self._deadline and self._running[outcome.trial] == outcome.attempt:
            self._renew(outcome.trial)

    def end(self, outcome: Outcome) -> bool:
        """Whether `outcome` ends an attempt that was under way."""
        if self._running.get(outcome.trial) != outcome.attempt:
            return False
        del self._running[outcome.trial]
        self._deadline.pop(outcome.trial, None)
        return True

    def silent(self, waiting: Iterable[Outcome]) -> list[tuple[int, int]]:
        """(trial, attempt) where a lease has run out, each told once; none that `waiting` is of."""
        if not self._deadline:
            return []
        now = self._clock.monotonic()
        late = [t for t, deadline in self._deadline.items() if deadline <= now]
        if late:
            heard = {outcome.trial for outcome in waiting}
            late = [t for t in late if t not in heard]
        for trial in late:
            del self._deadline[trial]
        return [(trial, self._running[trial]) for trial in late]

    def _renew(self, trial: int) -> None:
        if self._lease_s is not None:
            self._deadline[trial] = self._clock.monotonic() + self._lease_s
