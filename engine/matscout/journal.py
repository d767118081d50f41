"""The append-only record: the only truth about a run.

One table of events on SQLite through SQLAlchemy Core. Each row carries the schema version and a
SHA-256 chained to the row before. An append returns after the commit has reached the disk (WAL,
synchronous=FULL); only then is anything acknowledged. One process writes, with one connection:
SQLite 3.7.0–3.51.2 can corrupt a WAL that two connections write or checkpoint.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from matscout.clock import Clock, SystemClock
from matscout.errors import InputError, JournalDamaged, JournalUnavailable, one_line
from matscout.event import SCHEMA, Event, EventKind
from matscout.failpoint import failpoint
from matscout.owner import Owner, refuse_network_file_system
from matscout.runfolder import RunFolder
from matscout.wal import inspect_wal

GENESIS = "0" * 64

_metadata = sa.MetaData()
_events = sa.Table(
    "events",
    _metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("schema", sa.Integer, nullable=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("trial", sa.Integer),
    sa.Column("attempt", sa.Integer),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
_KINDS = {kind.value: kind for kind in EventKind}
_IN_ORDER = sa.select(*_events.c).order_by(_events.c.seq)


@dataclass(frozen=True)
class Verdict:
    """What `verify` found. `notes` are harmless; a journal with damage raises instead."""

    events: int
    hash: str
    notes: tuple[str, ...] = ()


class Journal:
    """A run's journal, open. Make one with `create`, `open` (to write) or `read_only`."""

    def __init__(
        self, folder: RunFolder, engine: sa.Engine, owner: Owner | None, clock: Clock
    ) -> None:
        self._folder = folder
        self._engine = engine
        self._owner = owner
        self._clock = clock
        self._connection = engine.connect()
        self._head: int | None = None
        self._staged: list[dict[str, Any]] = []
        self.last_seq = 0
        self.last_hash = GENESIS
        self.notes: list[str] = []

    # -- opening ------------------------------------------------------------------------------

    @classmethod
    def create(cls, folder: RunFolder, clock: Clock | None = None) -> Journal:
        """A new, empty journal in a run's new folder."""
        refuse_network_file_system(folder.journal)
        owner = Owner.take(folder.lock)
        os.close(os.open(folder.journal, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        journal = cls(folder, _engine(folder.journal, "rw"), owner, clock or SystemClock())
        _metadata.create_all(journal._connection)
        journal._connection.commit()
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
        the event, if it does not hold what was acknowledged.
        """
        _require(folder)
        refuse_network_file_system(folder.journal)
        owner = Owner.take(folder.lock)
        try:
            with cls.read_only(folder) as reader:
                verdict = reader.verify(replay)
            journal = cls(folder, _engine(folder.journal, "rw"), owner, clock or SystemClock())
        except BaseException:
            owner.release()
            raise
        journal.last_seq, journal.last_hash = verdict.events, verdict.hash
        journal.notes.extend(verdict.notes)
        journal._open_head()
        return journal

    @classmethod
    def read_only(cls, folder: RunFolder) -> Journal:
        """Open to look, also while a driver writes. Changes nothing."""
        _require(folder)
        try:
            return cls(folder, _engine(folder.journal, "ro"), None, SystemClock())
        except DBAPIError as error:
            raise _unreadable(folder, error) from None

    # -- the three verbs ----------------------------------------------------------------------

    def append(self, *events: Event) -> list[Event]:
        """Add events in one transaction; returns them as they now stand on the disk (seq, time).

        Raises JournalUnavailable, with nothing changed, if the disk would not have them.
        """
        stamped = self.stage(*events)
        try:
            self.commit()
        except JournalUnavailable:
            del self._staged[len(self._staged) - len(stamped) :]
            raise
        return stamped

    def stage(self, *events: Event) -> list[Event]:
        """Give events their seq and time, to be written by the next `commit`: not yet on the disk.

        For a loop that has to think between two events and wants one transaction for both.
        """
        if self._owner is None:
            raise ValueError("this journal was opened to be read")
        now = self._clock.wall()
        stamped, rows = [], list(self._staged)
        for event in events:
            seq = rows[-1]["seq"] + 1 if rows else self.last_seq + 1
            row: dict[str, Any] = {
                "seq": seq,
                "schema": SCHEMA,
                "time": now,
                "kind": event.kind.value,
                "trial": event.trial,
                "attempt": event.attempt,
                "body": event.body_json(),
            }
            row["hash"] = _chained(rows[-1]["hash"] if rows else self.last_hash, **row)
            rows.append(row)
            stamped.append(replace(event, seq=seq, time=now))
        self._staged = rows
        return stamped

    def commit(self) -> None:
        """Write what is staged, in one transaction; when this returns it is on the disk.

        Raises JournalUnavailable if the disk would not have it: it is still staged, try again.
        """
        if not self._staged:
            return
        try:
            failpoint("journal.before_write")
            self._connection.execute(_events.insert(), self._staged)
            failpoint("journal.before_commit")
            self._connection.commit()
        except (DBAPIError, OSError) as error:
            self._connection.rollback()
            raise JournalUnavailable(one_line(f"{self._folder.journal}: {_cause(error)}")) from None
        failpoint("journal.after_commit")
        last = self._staged[-1]
        self._staged = []
        self.last_seq, self.last_hash = last["seq"], last["hash"]
        self._write_head()

    def read(self, since: int = 0) -> Iterator[Event]:
        """Events after `since`, each checked against the chain; JournalDamaged at the first bad one."""
        return (event for event, _ in self._verified(since))

    def verify(self, replay: Callable[[Event], None] | None = None) -> Verdict:
        """Check the database, the log's tail, every record and the head.

        JournalDamaged names what is wrong. `replay` gets each event once its hash is checked.
        """
        tail = inspect_wal(self._folder.journal.with_name("journal.db-wal"))
        if tail.damage:
            raise JournalDamaged(str(self._folder.journal), tail.damage, _MEND)
        self._check_pages()
        count, chain = 0, GENESIS
        head_seq, head_hash = self._read_head()
        at_head = GENESIS
        with _without_garbage_collection():
            for event, chain in self._verified(0):
                count = event.seq
                if count == head_seq:
                    at_head = chain
                if replay is not None:
                    replay(event)
        notes = []
        if tail.torn_bytes:
            notes.append(
                f"a torn tail of {tail.torn_bytes} bytes after event {count} is cut: "
                "it was never acknowledged"
            )
        if head_seq is None:
            notes.append(
                "journal.head is missing or unreadable: a journal cut short would not show"
            )
        elif head_seq > count:
            raise self._damaged(count + 1, f"is missing: {head_seq} events were acknowledged")
        elif at_head != head_hash:
            raise self._damaged(head_seq, "is not the event that was acknowledged")
        return Verdict(count, chain, tuple(notes))

    def close(self) -> None:
        """Let go of the journal. Twice is harmless."""
        self._connection.close()
        self._engine.dispose()
        if self._head is not None:
            os.close(self._head)
            self._head = None
        if self._owner is not None:
            self._owner.release()

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

    def _read_head(self) -> tuple[int | None, str]:
        try:
            seq, digest = self._folder.head.read_text().split()
            return int(seq), digest
        except (OSError, ValueError):
            return None, ""

    # -- rows ---------------------------------------------------------------------------------

    def _verified(self, since: int) -> Iterator[tuple[Event, str]]:
        chain = GENESIS if since == 0 else self._hash_at(since)
        expected = since
        for row in self._rows(since):
            expected += 1
            seq, schema, time, kind, trial, attempt, body, digest = row
            if isinstance(schema, int) and schema > SCHEMA:
                raise InputError(
                    str(self._folder.journal),
                    f"event {seq} was written by a newer matscout (schema {schema}, here {SCHEMA})",
                    "update matscout",
                )
            if seq != expected:
                raise self._damaged(expected, f"is missing (event {seq} follows)")
            chain = _chained(chain, seq, schema, time, kind, trial, attempt, body)
            if chain != digest:
                raise self._damaged(seq, "does not match its hash")
            try:
                event = Event(_KINDS[kind], trial, attempt, json.loads(body), seq, time)
            except (ValueError, KeyError) as error:
                raise self._damaged(seq, f"cannot be read ({error})") from None
            yield event, chain

    def _rows(self, since: int) -> Iterator[Any]:
        try:
            query = _IN_ORDER.where(_events.c.seq > since)
            for block in self._connection.execute(query).partitions(5000):
                yield from block
        except (DBAPIError, UnicodeDecodeError) as error:
            raise _unreadable(self._folder, error) from None
        finally:
            self._connection.rollback()

    def _check_pages(self) -> None:
        """SQLite's own look at its pages: a broken tree may read well and break on the next write."""
        try:
            answer = self._connection.execute(sa.text("PRAGMA quick_check(1)")).scalar()
        except (DBAPIError, UnicodeDecodeError) as error:
            raise _unreadable(self._folder, error) from None
        finally:
            self._connection.rollback()
        if answer != "ok":
            raise JournalDamaged(str(self._folder.journal), one_line(str(answer)), _MEND)

    def _hash_at(self, seq: int) -> str:
        query = sa.select(_events.c.hash).where(_events.c.seq == seq)
        digest = self._connection.execute(query).scalar()
        self._connection.rollback()
        if digest is None:
            raise self._damaged(seq, "is missing")
        return str(digest)

    def _damaged(self, seq: int, what: str) -> JournalDamaged:
        return JournalDamaged(str(self._folder.journal), f"event {seq} {what}", _MEND)


_MEND = "restore the run folder from a copy; events before it can be exported"


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


def _engine(path: Path, mode: str) -> sa.Engine:
    """One connection to the file; `rw` writes ahead and syncs on every commit."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True)
        if mode == "rw":
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        return connection

    return sa.create_engine("sqlite+pysqlite://", creator=connect, poolclass=sa.NullPool)


def _require(folder: RunFolder) -> None:
    if not folder.journal.is_file():
        raise InputError(str(folder.root), "is no run: there is no journal.db", "check the name")


def _unreadable(folder: RunFolder, error: Exception) -> JournalDamaged:
    return JournalDamaged(str(folder.journal), f"cannot be read ({_cause(error)})", _MEND)


def _cause(error: Exception) -> str:
    return one_line(str(getattr(error, "orig", None) or error))
