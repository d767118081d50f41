"""A journal on a PostgreSQL server: the same table, owned by a lock and fenced by a token (promise R14).

Each run has a schema of its own with two tables: `events`, and `head`, one row with the last seq and
hash, and who drives. A driver holds a session's advisory lock, which the server releases when the
session ends, and a token: `head.epoch`, which whoever takes the run over counts up. Every append first
moves the head on from where this driver left it, under this driver's epoch, in the transaction that
adds the events. A driver that was taken over finds no such row, and can write nothing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from matscout.errors import (
    InputError,
    JournalTaken,
    JournalUnavailable,
    MatscoutError,
    one_line,
)
from matscout.event import SCHEMA
from matscout.failpoint import failpoint
from matscout.journal_server import Server
from matscout.journal_store import GENESIS, Row, Store, cause, damaged, events_table, newer
from matscout.process_id import exists

# Ctrl-C while a connection is closed would be a traceback there; it is raised all the same.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)

_PATIENCE_S = 5.0
"""How long to wait for the lock of an owner that may be dead: the server gives up a host that does not
answer after 4 s (_SESSION)."""

_LOOK_AGAIN_S = 0.2
"""Between two looks at who has the lock, while it is waited for."""

_SESSION = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "4000",
}
"""How soon the server drops us, and our lock, when our host is gone: 2 + 2 × 1 s of silence, or 4 s
without an answer to what it sent. Over a Unix socket these have no effect, and need none."""

_STALLED_MS = "5000"
"""A driver that was stopped in the middle of a transaction is dropped after so long."""


def _head_table(schema: str) -> sa.Table:
    return sa.Table(
        "head",
        sa.MetaData(schema=schema),
        sa.Column("id", sa.SmallInteger, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("host", sa.Text),
        sa.Column("pid", sa.BigInteger),
        sa.Column("session", sa.BigInteger),  # the server's process that holds the lock
    )


@dataclass(frozen=True)
class _Driver:
    """Who has the lock. Host and pid are not known while it is just being taken over."""

    session: int
    host: str = ""
    pid: int = 0

    def __str__(self) -> str:
        return f"host {self.host}, process {self.pid}" if self.host else "another process"

    @property
    def surely_alive(self) -> bool:
        return self.host == socket.gethostname() and exists(self.pid)


class PostgresStore(Store):
    """Make one with `create`, `own` (to write, once it was checked) or `look`."""

    def __init__(self, server: Server, schema: str) -> None:
        super().__init__(f"{server.address}, schema {schema}", events_table(schema))
        self.schema = schema
        self._server = server
        self._head = _head_table(schema)
        self._known = (0, GENESIS)  # seq and hash of the last event that is surely written
        self._epoch: int | None = None
        self._open: sa.Connection | None = None

    @classmethod
    def create(cls, server: Server, name: str) -> PostgresStore:
        """A new schema for the run called `name`, with its tables, owned."""
        store = cls(server, f"matscout_{name[:40]}_{secrets.token_hex(4)}")
        with store._opening():
            c = store._connection
            c.execute(sa.schema.CreateSchema(store.schema))
            store._events.create(c)
            store._head.create(c)
            c.execute(store._head.insert(), {"id": 1, "seq": 0, "hash": GENESIS, "epoch": 0})
            c.commit()
            store._become_owner()
        store.begin_writing()
        return store

    @classmethod
    def own(cls, server: Server, schema: str) -> PostgresStore:
        """The next epoch is ours. InputError with the owner's host and pid if one is alive."""
        store = cls(server, schema)
        with store._opening():
            store._become_owner()
        return store

    @classmethod
    def look(cls, server: Server, schema: str) -> PostgresStore:
        """To read, or to `evict`."""
        store = cls(server, schema)
        with store._opening():
            pass
        return store

    # -- writing --------------------------------------------------------------------------------

    def begin_writing(self) -> list[str]:
        with self._reading() as c:
            seq, digest = c.execute(sa.select(self._head.c.seq, self._head.c.hash)).one()
            self._known = (int(seq), str(digest))
            self._set(c, {"idle_in_transaction_session_timeout": _STALLED_MS})
            c.commit()
            if c.execute(sa.select(sa.func.current_setting("fsync"))).scalar() == "off":
                return [f"{self._server.address} runs with fsync off: a power cut can lose events"]
        return []

    def add(self, rows: Sequence[Row]) -> None:
        if self._open is None:
            self._take_up_again()
        rows = self._not_yet_there(rows)
        if not rows:
            return
        c, last, committing = self._connection, rows[-1], False
        try:
            failpoint("journal.before_write")
            moved = c.execute(
                self._ours().values(seq=last["seq"], hash=last["hash"]),
            ).rowcount
            if moved != 1:
                raise self._overtaken(c)
            c.execute(self._events.insert(), list(rows))
            failpoint("journal.before_commit")
            committing = True
            c.commit()
        except (SQLAlchemyError, OSError) as error:
            self._undo(c, committing)
            raise JournalUnavailable(self._said(error)) from None
        self._known = (last["seq"], last["hash"])

    def _ours(self) -> sa.Update:
        """The head as this driver left it; nothing, where another has taken over."""
        head = self._head
        seq, digest = self._known
        return sa.update(head).where(
            head.c.epoch == self._epoch, head.c.seq == seq, head.c.hash == digest
        )

    def _not_yet_there(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Without those that were written although the answer was lost."""
        done = self._known[0] - rows[0]["seq"] + 1
        if done > 0 and rows[min(done, len(rows)) - 1]["hash"] != self._known[1]:
            what = f"event {self._known[0]} was written, although the answer was lost"
            raise JournalTaken(one_line(f"{self.where}: {what}; open the run again"))
        return rows[max(done, 0) :]

    # -- owning ---------------------------------------------------------------------------------

    def _become_owner(self) -> None:
        c = self._connection
        until = time.monotonic() + _PATIENCE_S
        while not self._lock(c, _LOOK_AGAIN_S):
            driver = self._driver(c)
            if driver.surely_alive or time.monotonic() >= until:
                raise InputError(
                    self._server.address,
                    f"the journal is open elsewhere: {driver}",
                    "wait for it, stop it, or look with matscout status",
                )
        last = sa.select(self._events.c.seq, self._events.c.schema)
        row = c.execute(last.order_by(self._events.c.seq.desc()).limit(1)).first()
        if row is not None and row.schema > SCHEMA:
            raise newer(self.where, row.seq, row.schema, SCHEMA)
        head = self._head
        taken = sa.update(head).values(epoch=head.c.epoch + 1, **self._myself())
        self._epoch = c.execute(taken.returning(head.c.epoch)).scalar_one()
        c.commit()

    def _take_up_again(self) -> None:
        """After the connection was lost: with the same token, or not at all."""
        with self._opening():
            c = self._connection
            locked = self._lock(c)
            now = c.execute(sa.select(*self._head.c)).one()
            if now.epoch != self._epoch:
                raise self._overtaken(c)
            if not locked:
                raise JournalUnavailable(f"{self.where}: the server still holds our old session")
            seq, digest = self._known
            if now.seq < seq:
                what = f"event {now.seq + 1} is missing: {seq} events were acknowledged"
                raise damaged(self.where, what)
            if now.seq == seq and now.hash != digest:
                raise damaged(self.where, f"event {seq} is not the event that was acknowledged")
            c.execute(sa.update(self._head).values(**self._myself()))
            self._set(c, {"idle_in_transaction_session_timeout": _STALLED_MS})
            c.commit()
            self._known = (now.seq, now.hash)

    def _lock(self, c: sa.Connection, patience_s: float = 0.0) -> bool:
        """Have the run's lock for this session, at once or within so many seconds."""
        key = sa.cast(_lock_key(self.schema), sa.BigInteger)
        if c.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar():
            return True
        if not patience_s:
            return False
        self._set(c, {"lock_timeout": f"{1000 * patience_s:.0f}"})
        try:
            c.execute(sa.select(sa.func.pg_advisory_lock(key)))
        except DBAPIError as error:
            c.rollback()
            if _state(error) == "55P03":  # lock_not_available
                return False
            raise
        self._set(c, {"lock_timeout": "0"})
        return True

    def _driver(self, c: sa.Connection) -> _Driver:
        key = _lock_key(self.schema) % 2**64
        holding = sa.text(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND CAST(classid AS bigint) = :high AND CAST(objid AS bigint) = :low"
        )
        session = c.execute(holding, {"high": key >> 32, "low": key % 2**32}).scalar()
        if session is None:
            return _Driver(0)
        row = c.execute(sa.select(*self._head.c)).one()
        if row.session != session or row.host is None:
            return _Driver(session)
        return _Driver(session, one_line(row.host), row.pid)

    def driver(self) -> str:
        """Who drives the run now ("host h, process 12"), or an empty text if nobody does."""
        with self._reading() as c:
            found = self._driver(c)
        return str(found) if found.session else ""

    def evict(self) -> str:
        """Take the run from whoever drives it: it can write no more. Returns who it was."""
        with self._reading() as c:
            found = self._driver(c)
            if not found.session:
                return ""
            end = sa.func.pg_terminate_backend
            c.execute(sa.select(end(found.session)))  # it may hold the head, in mid-transaction
            nobody = {"host": None, "pid": None, "session": None}
            c.execute(sa.update(self._head).values(epoch=self._head.c.epoch + 1, **nobody))
            c.commit()
            again = self._driver(c).session  # it may have been quick, with a token that is void now
            if again:
                c.execute(sa.select(end(again)))
        return str(found)

    def _overtaken(self, c: sa.Connection) -> JournalTaken:
        c.rollback()
        row = c.execute(sa.select(*self._head.c)).one()
        c.rollback()
        who = f": host {row.host}, process {row.pid}" if row.host else ""
        if row.epoch == self._epoch:
            who = f": its last event is {row.seq}, not {self._known[0]}"
        return JournalTaken(one_line(f"{self.where}: another driver has taken this run over{who}"))

    def _myself(self) -> dict[str, Any]:
        session = sa.func.pg_backend_pid()
        return {"host": socket.gethostname(), "pid": os.getpid(), "session": session}

    # -- reading --------------------------------------------------------------------------------

    def inspect(self) -> int:
        """The server looks after its own log and pages."""
        return 0

    def head(self) -> tuple[int, str]:
        with self._reading() as c:
            row = c.execute(sa.select(self._head.c.seq, self._head.c.hash)).one_or_none()
        if row is None:
            raise damaged(self.where, "its head is missing")
        return int(row.seq), str(row.hash)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        c = self._connection
        try:
            yield c
        except SQLAlchemyError as error:
            raise self._wrong(error) from None
        finally:
            c.rollback()

    def _wrong(self, error: Exception) -> MatscoutError:
        state = _state(error)
        if state in ("42P01", "3F000"):  # undefined_table, invalid_schema_name
            return InputError(self.where, "no such run is there", "check which server is named")
        if state.startswith(("42", "28")):  # insufficient privilege and kin
            return InputError(self._server.address, self._said(error))
        if state.startswith("XX"):  # data_corrupted, index_corrupted
            return damaged(self.where, f"cannot be read ({self._said(error)})")
        return JournalUnavailable(f"{self._server.address}: {self._said(error)}")

    # -- the connection -------------------------------------------------------------------------

    @property
    def _connection(self) -> sa.Connection:
        if self._open is None:
            raise JournalUnavailable(f"{self._server.address}: the connection is lost")
        return self._open

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """Connect, and be connected afterwards, or not at all."""
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=lambda: self._server.connect(f"matscout {self.schema}"[:63]),
            poolclass=sa.NullPool,
        )
        try:
            self._open = engine.connect()
            flush = sa.case(
                (sa.func.current_setting("synchronous_commit") == "remote_apply", "remote_apply"),
                else_="on",
            )
            self._set(self._open, {**_SESSION, "synchronous_commit": flush})
            self._open.commit()
            yield
        except SQLAlchemyError as error:
            self.close()
            raise self._wrong(error) from None
        except BaseException:
            self.close()
            raise

    def _set(self, c: sa.Connection, settings: dict[str, Any]) -> None:
        """For the session."""
        for name, value in settings.items():
            c.execute(sa.select(sa.func.set_config(name, value, False)))

    def _undo(self, c: sa.Connection, committing: bool) -> None:
        """Whether a commit without an answer took place is found out by a new session, once the old
        one is gone. SQLAlchemy must not make one by itself: it would not have the lock."""
        try:
            c.rollback()
        except SQLAlchemyError:
            committing = True
        if committing or c.invalidated:
            self.close()

    def close(self) -> None:
        connection, self._open = self._open, None
        if connection is not None:
            connection.invalidate()  # closes the session whatever state it is in
            connection.close()

    def _said(self, error: Exception) -> str:
        return self._server.without_secrets(cause(error))


def _lock_key(schema: str) -> int:
    """A signed 64-bit number, as advisory locks are named by."""
    return int.from_bytes(hashlib.sha256(schema.encode()).digest()[:8], "big", signed=True)


def _state(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
