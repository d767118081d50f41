"""Folded, journalled, acknowledged: always in this order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from matscout.drive.interrupt import Interrupt
from matscout.errors import JournalUnavailable
from matscout.event import Event
from matscout.failpoint import failpoint
from matscout.history import History
from matscout.journal import Journal
from matscout.outcome import Outcome


class Watching(Protocol):
    """Sees what is recorded."""

    def event(self, event: Event, history: History) -> None: ...

    def note(self, text: str) -> None: ...


class Recording:
    """Takes events into the history and the journal, and pays what is owed to the workers for them."""

    def __init__(
        self,
        journal: Journal,
        history: History,
        observer: Watching,
        interrupt: Interrupt,
        acknowledge: Callable[[Outcome], None],
        meanwhile: Callable[[], None],
    ) -> None:
        """`meanwhile` is done between two tries of a disk that refuses; it must take its time."""
        self._journal, self._history = journal, history
        self._observer, self._interrupt = observer, interrupt
        self._acknowledge, self._meanwhile = acknowledge, meanwhile
        self._staged: list[Event] = []  # folded, not yet journalled
        self._owed: deque[Outcome] = deque()

    def stage(self, *events: Event) -> None:
        """Fold now, journal with the next `record`: an outcome and the ask that follows it share a
        transaction. Until that is through, nothing is dispatched and nothing acknowledged."""
        for event in self._journal.stage(*events):
            self._history.apply(event)
            self._staged.append(event)

    def owe(self, outcome: Outcome) -> None:
        """Acknowledge it once what is staged is journalled."""
        self._owed.append(outcome)

    def record(self, *events: Event) -> None:
        """Fold and journal. While the disk refuses, wait and try again: nothing is acknowledged."""
        self.stage(*events)
        told = False
        while True:
            try:
                self._journal.commit()
                break
            except JournalUnavailable as error:
                if self._interrupt.level:
                    raise
                if not told:
                    self._observer.note(f"paused: {error}; goes on when it is taken")
                    told = True
                self._meanwhile()
        for event in self._staged:
            self._observer.event(event, self._history)
        self._staged.clear()

    def settle(self) -> None:
        """Journal what is staged and acknowledge the outcomes it came from."""
        if self._staged:
            self.record()
        failpoint("loop.before_acknowledge")
        while self._owed:
            self._acknowledge(self._owed.popleft())
            failpoint("loop.after_acknowledge")
