"""The append-only record: the only truth about a run.

One table of events, through SQLAlchemy Core: on SQLite in the run's folder, or on a PostgreSQL server
(journal_sqlite.py, journal_postgres.py). Each row carries the schema version and a SHA-256 chained to
the row before. An append returns after the commit has reached the disk; only then is anything
acknowledged. One process writes, with one connection.
"""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from matscout.bounded_read import read_bounded
from matscout.clock import Clock, SystemClock
from matscout.durable_file import write_durably
from matscout.errors import InputError, JournalDamaged, JournalUnavailable
from matscout.event import SCHEMA, Event, EventKind
from matscout.failpoint import failpoint
from matscout.journal_postgres import PostgresStore
from matscout.journal_server import address_json, read_address, server_for
from matscout.journal_sqlite import SqliteStore
from matscout.journal_store import GENESIS, Row, Store, damaged, newer
from matscout.json_text import parsed_json
from matscout.owner import current_owner
from matscout.runfolder import RunFolder

_MOST_HEAD_BYTES = 1000
_KINDS = {kind.value: kind for kind in EventKind}


@dataclass(frozen=True)
class Verdict:
    """What `verify` found. `notes` are harmless; a journal with damage raises instead."""

    events: int
    hash: str
    notes: tuple[str, ...] = ()


class Journal:
    """A run's journal, open. Make one with `create`, `open` (to write) or `read_only`."""

    def __init__(self, folder: RunFolder, store: Store, clock: Clock, writes: bool) -> None:
        self._folder = folder
        self._store = store
        self._clock = clock
        self._writes = writes
        self._head: int | None = None
        self._staged: list[Row] = []
        self._doubted: list[Row] = []  # given up by `append`, and perhaps on the disk all the same
        self.last_seq = 0
        self.last_hash = GENESIS
        self.notes: list[str] = []

    @property
    def where(self) -> str:
        """The file or the server, for people."""
        return self._store.where

    # -- opening ------------------------------------------------------------------------------

    @classmethod
    def create(
        cls, folder: RunFolder, clock: Clock | None = None, url: str | None = None, name: str = ""
    ) -> Journal:
        """A new, empty journal for the run `name` in its new folder: on the PostgreSQL server that
        the environment or `url` names (journal_server.py), or else in a SQLite file."""
        server = server_for(url)
        store: Store
        if server is None:
            store = SqliteStore.create(folder)
        else:
            store = postgres = PostgresStore.create(server, name or folder.name.strip("."))
            write_durably(folder.address, address_json(server, postgres.schema))
        journal = cls(folder, store, clock or SystemClock(), writes=True)
        journal._open_head()
        return journal

    @classmethod
    def open(
        cls,
        folder: RunFolder,
        replay: Callable[[Event], None] | None = None,
        clock: Clock | None = None,
    ) -> Journal:
        """Open to write, after checking every record; `replay` gets each, once checked.

        InputError if another driver has it or a newer matscout wrote it; JournalDamaged, naming
        the event, if it does not hold what was acknowledged; JournalUnavailable if no server answers.
        """
        _require(folder)
        on_server = folder.address.is_file()
        store = PostgresStore.own(*read_address(folder)) if on_server else SqliteStore.own(folder)
        journal = cls(folder, store, clock or SystemClock(), writes=True)
        try:
            verdict = journal.verify(replay)
            journal.notes.extend([*verdict.notes, *store.begin_writing()])
            journal.last_seq, journal.last_hash = verdict.events, verdict.hash
            journal._open_head()
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def read_only(cls, folder: RunFolder) -> Journal:
        """Open to look, also while a driver writes. Changes nothing."""
        _require(folder)
        on_server = folder.address.is_file()
        store = PostgresStore.look(*read_address(folder)) if on_server else SqliteStore.look(folder)
        return cls(folder, store, SystemClock(), writes=False)

    # -- the three verbs ----------------------------------------------------------------------

    def append(self, *events: Event) -> list[Event]:
        """Add events in one transaction; returns them as they now stand on the disk (seq, time).

        Raises JournalUnavailable, with nothing acknowledged, if the disk would not have them. The same
        events may be given again: should a server have taken them without an answer, they are known.
        """
        stamped = self.stage(*events)
        try:
            self.commit()
        except JournalUnavailable:
            first = len(self._staged) - len(stamped)
            self._doubted, self._staged = self._staged[first:], self._staged[:first]
            raise
        return stamped

    def stage(self, *events: Event) -> list[Event]:
        """Give events their seq and time, to be written by the next `commit`: not yet on the disk.

        For a loop that has to think between two events and wants one transaction for both.
        """
        if not self._writes:
            raise ValueError("this journal was opened to be read")
        now = self._clock.wall()
        stamped, rows = [], list(self._staged)
        for event in events:
            seq = rows[-1]["seq"] + 1 if rows else self.last_seq + 1
            row: Row = {
                "seq": seq,
                "schema": SCHEMA,
                "time": now,
                "kind": event.kind.value,
                "trial": event.trial,
                "attempt": event.attempt,
                "body": event.body_json(),
            }
            row["time"] = self._time_of_doubted(row)
            row["hash"] = _chained(rows[-1]["hash"] if rows else self.last_hash, **row)
            rows.append(row)
            stamped.append(replace(event, seq=seq, time=row["time"]))
        self._staged = rows
        return stamped

    def commit(self) -> None:
        """Write what is staged, in one transaction; when this returns it is on the disk.

        Raises JournalUnavailable if the disk would not have it: it is still staged, try again.
        """
        if not self._staged:
            return
        self._store.add(self._staged)
        failpoint("journal.after_commit")
        last = self._staged[-1]
        self._staged, self._doubted = [], []
        self.last_seq, self.last_hash = last["seq"], last["hash"]
        self._write_head()

    def _time_of_doubted(self, row: Row) -> float:
        """Its own, unless it is an event over again that was given up: then it is to be that event."""
        for known in self._doubted:
            if all(known[key] == row[key] for key in row if key != "time"):
                return float(known["time"])
        return float(row["time"])

    def read(self, since: int = 0) -> Iterator[Event]:
        """Events after `since`, each checked against the chain; JournalDamaged at the first bad one."""
        return (event for event, _ in self._verified(since))

    def verify(self, replay: Callable[[Event], None] | None = None) -> Verdict:
        """Check the database, the log's tail, every record and the head.

        JournalDamaged names what is wrong. `replay` gets each event once its hash is checked.
        """
        torn_bytes = self._store.inspect()
        count, chain = 0, GENESIS
        heads = [self._read_head(), self._store.head()]
        wanted = {head[0] for head in heads if head is not None}
        passed = {0: GENESIS}
        with _without_garbage_collection():
            for event, chain in self._verified(0):
                count = event.seq
                if count in wanted:
                    passed[count] = chain
                if replay is not None:
                    replay(event)
        notes = []
        if torn_bytes:
            notes.append(
                f"a torn tail of {torn_bytes} bytes after event {count} is cut: "
                "it was never acknowledged"
            )
        if not wanted:
            notes.append(
                "journal.head is missing or unreadable: a journal cut short would not show"
            )
        for head in heads:
            if head is None:
                continue
            seq, digest = head
            if seq > count:
                raise self._damaged(count + 1, f"is missing: {seq} events were acknowledged")
            if passed.get(seq) != digest:
                raise self._damaged(seq, "is not the event that was acknowledged")
        return Verdict(count, chain, tuple(notes))

    def close(self) -> None:
        """Let go of the journal. Twice is harmless."""
        self._store.close()
        if self._head is not None:
            os.close(self._head)
            self._head = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- the head: what was acknowledged last ---------------------------------------------------

    def _open_head(self) -> None:
        self._head = os.open(self._folder.head, os.O_RDWR | os.O_CREAT, 0o600)
        self._write_head()

    def _write_head(self) -> None:
        """Not synced: it must outlive the process, not the power, and may lag but never lead."""
        assert self._head is not None
        try:
            os.pwrite(self._head, f"{self.last_seq:020d} {self.last_hash}\n".encode(), 0)
        except OSError:
            pass  # a full disk must not take back what the commit has acknowledged
        failpoint("journal.after_head")

    def _read_head(self) -> tuple[int, str] | None:
        try:
            seq, digest = read_bounded(self._folder.head, _MOST_HEAD_BYTES).decode().split()
            return int(seq), digest
        except (OSError, ValueError):
            return None

    # -- rows ---------------------------------------------------------------------------------

    def _verified(self, since: int) -> Iterator[tuple[Event, str]]:
        chain = GENESIS if since == 0 else self._hash_at(since)
        expected = since
        for row in self._store.rows(since):
            expected += 1
            seq, schema, time, kind, trial, attempt, body, digest = row
            if isinstance(schema, int) and schema > SCHEMA:
                raise newer(self.where, seq, schema, SCHEMA)
            if seq != expected:
                raise self._damaged(expected, f"is missing (event {seq} follows)")
            chain = _chained(chain, seq, schema, time, kind, trial, attempt, body)
            if chain != digest:
                raise self._damaged(seq, "does not match its hash")
            try:
                event = Event(_KINDS[kind], trial, attempt, parsed_json(body), seq, time)
            except (ValueError, KeyError) as error:
                raise self._damaged(seq, f"cannot be read ({error})") from None
            yield event, chain

    def _hash_at(self, seq: int) -> str:
        digest = self._store.hash_at(seq)
        if digest is None:
            raise self._damaged(seq, "is missing")
        return digest

    def _damaged(self, seq: int, what: str) -> JournalDamaged:
        return damaged(self.where, f"event {seq} {what}")


def driver_of(folder: RunFolder) -> str:
    """Who drives the run now ("host h, process 12"), or an empty text if nobody does."""
    if not folder.address.is_file():
        return current_owner(folder.lock)
    store = PostgresStore.look(*read_address(folder))
    try:
        return store.driver()
    finally:
        store.close()


def evict(folder: RunFolder) -> str:
    """Take a run on a server from its driver, which can write nothing more; returns who it was.

    InputError for a run in a SQLite file: its lock goes with the process, and only so.
    """
    _require(folder)
    if not folder.address.is_file():
        driver = current_owner(folder.lock) or "nobody now"
        what = f"is driven by {driver}: its journal is a file, and whoever has it open may write"
        raise InputError(str(folder.root), what, "end that process")
    store = PostgresStore.look(*read_address(folder))
    try:
        return store.evict()
    finally:
        store.close()


def _chained(
    previous: str,
    seq: int,
    schema: int,
    time: float,
    kind: str,
    trial: int | None,
    attempt: int | None,
    body: str,
) -> str:
    """SHA-256 of a record and of everything before it. The body comes last: it may hold any text."""
    text = f"{previous}|{seq}|{schema}|{time!r}|{kind}|{trial}|{attempt}|{body}"
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """A replay makes a million objects and drops none: looking for cycles is a third of its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _require(folder: RunFolder) -> None:
    if not folder.holds_run:
        raise InputError(str(folder.root), "is no run: there is no journal.db", "check the name")
