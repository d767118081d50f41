"""What a journal asks of a database: one table of events, added to at its end and never changed.

SQLite and PostgreSQL hold the same table and keep the same promises (tests/contracts/test_journals.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from matscout.errors import InputError, JournalDamaged, MatscoutError, one_line

GENESIS = "0" * 64
MEND = "restore the run folder from a copy; events before it can be exported"

_BLOCK = 5000

Row = dict[str, Any]
"""One event as it is stored, by column."""


def events_table(schema: str | None = None) -> sa.Table:
    """The events of one run; on PostgreSQL each run has a schema (a namespace) of its own."""
    return sa.Table(
        "events",
        sa.MetaData(schema=schema),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("trial", sa.Integer),
        sa.Column("attempt", sa.Integer),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )


class Store(ABC):
    """The events of one run in one database, through one connection."""

    where: str
    """For people: what is open. Never with a password."""

    def __init__(self, where: str, events: sa.Table) -> None:
        self.where = where
        self._events = events
        self._in_order = sa.select(*events.c).order_by(events.c.seq)

    # -- what each database does in its own way -------------------------------------------------

    @property
    @abstractmethod
    def _connection(self) -> sa.Connection:
        """JournalUnavailable while there is none."""

    @abstractmethod
    def begin_writing(self) -> list[str]:
        """After the journal was checked: make ready for `add`. Returns what a person should know."""

    @abstractmethod
    def add(self, rows: Sequence[Row]) -> None:
        """Add rows in one transaction; when this returns they are on the disk.

        JournalUnavailable if they may not be: try again with the same ones, and more after them if
        there are any. None is ever written twice.
        """

    @abstractmethod
    def inspect(self) -> int:
        """How many bytes of a torn tail will be cut; JournalDamaged where the store itself is broken."""

    @abstractmethod
    def head(self) -> tuple[int, str] | None:
        """Seq and hash of the last event, where the database keeps them apart from the events."""

    @abstractmethod
    def _wrong(self, error: Exception) -> MatscoutError:
        """What it means that reading ended with `error`."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything. Twice is harmless."""

    # -- what is the same everywhere ------------------------------------------------------------

    def rows(self, since: int) -> Iterator[Any]:
        """The rows after `since`, in order, in the order of the table's columns."""
        while True:
            block = self._block(since)
            yield from block
            if len(block) < _BLOCK:
                return
            since = block[-1].seq

    def _block(self, since: int) -> Sequence[Any]:
        """No transaction stays open while a reader thinks about what it was given."""
        connection = self._connection
        query = self._in_order.where(self._events.c.seq > since).limit(_BLOCK)
        try:
            return connection.execute(query).all()
        except (DBAPIError, UnicodeDecodeError) as error:
            raise self._wrong(error) from None
        finally:
            connection.rollback()

    def hash_at(self, seq: int) -> str | None:
        connection = self._connection
        query = sa.select(self._events.c.hash).where(self._events.c.seq == seq)
        try:
            digest = connection.execute(query).scalar()
        except (DBAPIError, UnicodeDecodeError) as error:
            raise self._wrong(error) from None
        finally:
            connection.rollback()
        return None if digest is None else str(digest)


def damaged(where: str, what: str) -> JournalDamaged:
    return JournalDamaged(where, what, MEND)


def unreadable(where: str, error: Exception) -> JournalDamaged:
    return damaged(where, f"cannot be read ({cause(error)})")


def newer(where: str, seq: int, schema: int, ours: int) -> InputError:
    what = f"event {seq} was written by a newer matscout (schema {schema}, here {ours})"
    return InputError(where, what, "update matscout")


def cause(error: Exception) -> str:
    """What the database said, in one line: without the statement and its values."""
    return one_line(str(getattr(error, "orig", None) or error))
