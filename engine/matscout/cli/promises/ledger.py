"""Acknowledged, ledger, journal: what must hold between the three, whatever was killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from matscout.cli.promises.laboratory import Laboratory, Ledger
from matscout.event import Event, EventKind
from matscout.fleet.outbox import Outbox
from matscout.history import History
from matscout.journal import Journal
from matscout.trial import State

_VALUES = (EventKind.MEASURED, EventKind.REPLICATED)


@dataclass
class Findings:
    """`problems` in words; `lost` and `doubled` count measurements and events."""

    problems: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0

    def losing(self, what: str) -> None:
        self.lost += 1
        self.problems.append(f"lost: {what}")

    def doubling(self, what: str) -> None:
        self.doubled += 1
        self.problems.append(f"doubled: {what}")

    @property
    def first(self) -> str:
        return self.problems[0] if self.problems else ""


def events_of(lab: Laboratory) -> list[Event]:
    """The journal's events, each checked."""
    with Journal.read_only(lab.folder) as journal:
        return list(journal.read())


def check(
    lab: Laboratory, trials: int, *, costly: bool = False, stops_early: bool = False
) -> Findings:
    """Of a run that has come to its end: nothing acknowledged is missing, nothing is there twice.

    costly: nothing at all was begun twice, and no ended experiment of a living worker is missing.
    Otherwise every trial was measured in the end, or pruned where the run stops early.
    """
    found = check_journal(lab, trials, every=not costly, stops_early=stops_early)
    events, ledger = events_of(lab), lab.ledger()
    _right(events, ledger, found)
    _begun(events, ledger, History(events), found, costly)
    return found


def check_journal(
    lab: Laboratory, trials: int, *, every: bool = True, stops_early: bool = False
) -> Findings:
    """The same of a run whose oracle keeps no ledger."""
    found = Findings()
    _kept(lab, found)
    events = events_of(lab)
    _once(events, found)
    history = History(events)
    over = history.count(State.COMPLETE) + stops_early * history.count(State.PRUNED)
    if every and over != trials:
        found.problems.append(f"{over} of {trials} trials came to their end")
    if len(history.trials) != trials:
        found.problems.append(f"{len(history.trials)} trials were asked for, not {trials}")
    if Outbox(lab.folder.outbox).sweep():
        found.losing("a result lies in the outbox of a run that has ended")
    return found


def _kept(lab: Laboratory, found: Findings) -> None:
    """What a driver was told is safe stands where it was put. (`verify` checks all hashes.)"""
    with Journal.read_only(lab.folder) as journal:
        notes = journal.verify().notes
        hashes = [digest for _, digest in journal._verified(0)]
    if notes:
        found.problems.append(f"verify: {notes[0]}")
    for seq, digest in _told(lab):
        if len(hashes) < seq or hashes[seq - 1] != digest:
            found.losing(f"event {seq} was acknowledged")


def _told(lab: Laboratory) -> Iterator[tuple[int, str]]:
    text = lab.told.read_text() if lab.told.exists() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            seq, digest = line.split()
            yield int(seq), digest


def _once(events: list[Event], found: Findings) -> None:
    """An attempt has one value at most, a trial one `measured`."""
    values = Counter((e.trial, e.attempt) for e in events if e.kind in _VALUES)
    for key, count in values.items():
        if count > 1:
            found.doubling(f"trial {key[0]}, attempt {key[1]} has {count} values")
    measured = Counter(e.trial for e in events if e.kind is EventKind.MEASURED)
    for trial, count in measured.items():
        if count > 1:
            found.doubling(f"trial {trial} was measured {count} times")


def _right(events: list[Event], ledger: Ledger, found: Findings) -> None:
    """Each value is what the oracle measured in that attempt."""
    for event in events:
        if event.kind in _VALUES:
            key = event.trial or 0, event.attempt or 0
            if ledger.done.get(key) != event.body["values"]["y"]:
                found.problems.append(f"trial {key[0]}: its value is not what was measured")


def _begun(
    events: list[Event], ledger: Ledger, history: History, found: Findings, costly: bool
) -> None:
    """Nothing is begun twice, nor without the journal; what ended is recorded, or was given up."""
    dispatched = {(e.trial, e.attempt) for e in events if e.kind is EventKind.DISPATCHED}
    broken = (EventKind.SUSPENDED, EventKind.CRASHED, EventKind.EXPIRED, EventKind.ATTENTION)
    given_up = {(e.trial, e.attempt) for e in events if e.kind in broken}
    recorded = {(e.trial, e.attempt) for e in events if e.kind in _VALUES}
    for key, count in ledger.begun.items():
        if count > 1:
            found.doubling(f"trial {key[0]}, attempt {key[1]} was begun {count} times")
        if key not in dispatched:
            found.doubling(f"trial {key[0]}, attempt {key[1]} was begun unknown to the journal")
    for key in ledger.done:
        if key not in recorded and (costly or key not in given_up):
            found.losing(f"trial {key[0]}, attempt {key[1]} was measured")
    if not costly:
        return
    for trial, count in ledger.times().items():
        if count > 1:
            found.doubling(f"costly trial {trial} was begun {count} times")
    for known in history.trials:
        if known.state not in (State.COMPLETE, State.NEEDS_ATTENTION):
            found.problems.append(f"costly trial {known.id} is {known.state}")
