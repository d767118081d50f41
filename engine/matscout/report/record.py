"""Everything that the page tells about a run's past, read in one checked pass over its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from matscout.drive.baselines import read_baselines
from matscout.drive.run import RunSpec, spec_of
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.journal import Journal, Verdict
from matscout.runfolder import RunFolder

_TOLD_ELSEWHERE = (EventKind.CRASHED, EventKind.EXPIRED, EventKind.PRUNED)


@dataclass(frozen=True)
class Crash:
    """One attempt that broke, and how."""

    trial: int
    attempt: int
    kind: str
    reason: str


@dataclass(frozen=True)
class Record:
    """The history, and what it does not keep: crashes one by one, sittings, time spent asking."""

    history: History
    spec: RunSpec
    verdict: Verdict
    crashes: tuple[Crash, ...]
    broken_off: int
    """Attempts that another driver began again, because theirs had ended."""
    sittings: int
    ask_s: float
    first_s: float
    """Wall seconds since 1970 of the first event and of the last."""
    last_s: float
    versions: Mapping[str, str]
    baselines: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Reader:
    history: History = field(default_factory=History)
    crashes: list[Crash] = field(default_factory=list)
    broken_off: int = 0
    sittings: int = 0
    ask_s: float = 0.0
    first_s: float = 0.0
    last_s: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    _ended: set[tuple[int | None, int]] = field(default_factory=set)

    def take(self, event: Event) -> None:
        self.history.apply(event)
        self.first_s = self.first_s or event.time
        self.last_s = event.time
        if event.kind is EventKind.DISPATCHED:
            # What crashed has been counted, and what is thawed ended well.
            retried = (event.trial, (event.attempt or 1) - 1) in self._ended
            self.broken_off += (event.attempt or 1) > 1 and not retried
        elif event.kind in _TOLD_ELSEWHERE:
            self._ended.add((event.trial, event.attempt or 0))
        if event.kind in (EventKind.CRASHED, EventKind.EXPIRED):
            reason = str(event.body.get("reason", ""))
            self.crashes.append(Crash(event.trial or 0, event.attempt or 0, event.kind, reason))
        elif event.kind is EventKind.QUEUED:
            self.ask_s += sum(float(body.get("ask_s", 0.0)) for body in event.body["trials"])
        elif event.kind is EventKind.ASKED and not event.body.get("queued"):
            self.ask_s += float(event.body.get("ask_s", 0.0))
        elif event.kind is EventKind.OPENED:
            self.sittings += 1
        if event.kind in (EventKind.CREATED, EventKind.OPENED):
            self.versions = event.body.get("versions", self.versions)


def read_record(folder: RunFolder) -> Record:
    """Read only, also while a driver writes. JournalDamaged names the first event that is wrong."""
    reader = _Reader()
    with Journal.read_only(folder) as journal:
        verdict = journal.verify(reader.take)
    return Record(
        reader.history,
        spec_of(folder, reader.history),
        verdict,
        tuple(reader.crashes),
        reader.broken_off,
        reader.sittings,
        reader.ask_s,
        reader.first_s,
        reader.last_s,
        reader.versions,
        read_baselines(folder),
    )
