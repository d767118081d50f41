"""A journal in a SQLite file in the run's folder: WAL, synchronous=FULL, one process that writes.

SQLite 3.7.0–3.51.2 can corrupt a WAL that two connections write or checkpoint: the writer is alone, by
a lock file, and has one connection. Should that lock have failed (somebody removed the file while its
owner stood still), the number of an event is the fencing token: it is the table's key, so the
transaction of a driver that does not know the last event cannot be committed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from matscout.errors import JournalTaken, JournalUnavailable, MatscoutError, one_line
from matscout.failpoint import failpoint
from matscout.journal_store import Row, Store, cause, damaged, events_table, unreadable
from matscout.owner import Owner, refuse_network_file_system
from matscout.runfolder import RunFolder
from matscout.wal import inspect_wal

_EVENTS = events_table()


class SqliteStore(Store):
    """Make one with `create`, `own` (to write, once it was checked) or `look`."""

    def __init__(self, folder: RunFolder, owner: Owner | None = None, mode: str = "ro") -> None:
        super().__init__(str(folder.journal), _EVENTS)
        self._path = folder.journal
        self._owner = owner
        self._connect(mode)

    @classmethod
    def create(cls, folder: RunFolder) -> SqliteStore:
        """JournalUnavailable if the disk would not have it."""
        refuse_network_file_system(folder.journal)
        with _reaching(folder.journal), _kept_if_well(Owner.take(folder.lock)) as owner:
            os.close(os.open(folder.journal, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            store = cls(folder, owner, "rw")
            _EVENTS.create(store._open)
            store._open.commit()
        return store

    @classmethod
    def own(cls, folder: RunFolder) -> SqliteStore:
        """InputError if another driver has it; JournalUnavailable if the disk refuses. Reads only, until
        `begin_writing`."""
        refuse_network_file_system(folder.journal)
        with _reaching(folder.journal), _kept_if_well(Owner.take(folder.lock)) as owner:
            return cls(folder, owner)

    @classmethod
    def look(cls, folder: RunFolder) -> SqliteStore:
        with _reaching(folder.journal):
            return cls(folder)

    def begin_writing(self) -> list[str]:
        self._disconnect()
        with _reaching(self._path):
            self._connect("rw")
        return []

    def add(self, rows: Sequence[Row]) -> None:
        try:
            failpoint("journal.before_write")
            self._open.execute(_EVENTS.insert(), list(rows))
            failpoint("journal.before_commit")
            self._open.commit()
        except IntegrityError:
            self._open.rollback()
            self._add_after_doubt(rows)
        except (DBAPIError, OSError) as error:
            self._open.rollback()
            raise JournalUnavailable(one_line(f"{self.where}: {cause(error)}")) from None

    def _add_after_doubt(self, rows: Sequence[Row]) -> None:
        """Events with these numbers stand there: ours, although their commit seemed to fail, or those
        of another driver."""
        ours = [row for row in rows if self.hash_at(row["seq"]) == row["hash"]]
        if not ours:
            what = f"another driver has written event {rows[0]['seq']}, and has the run now"
            raise JournalTaken(one_line(f"{self.where}: {what}"))
        if len(ours) < len(rows):
            self.add(rows[len(ours) :])

    def inspect(self) -> int:
        """The log's tail, then SQLite's own look at its pages: a broken tree may read well and break
        on the next write."""
        tail = inspect_wal(self._path.with_name("journal.db-wal"))
        if tail.damage:
            raise damaged(self.where, tail.damage)
        try:
            answer = self._open.execute(sa.text("PRAGMA quick_check(1)")).scalar()
        except (DBAPIError, UnicodeDecodeError) as error:
            raise self._wrong(error) from None
        finally:
            self._open.rollback()
        if answer != "ok":
            raise damaged(self.where, one_line(str(answer)))
        return tail.torn_bytes

    def head(self) -> None:
        """Kept in a file beside it: a file cannot vouch for its own length."""

    def close(self) -> None:
        self._disconnect()
        if self._owner is not None:
            self._owner.release()

    @property
    def _connection(self) -> sa.Connection:
        return self._open

    def _wrong(self, error: Exception) -> MatscoutError:
        return _meant(self.where, error)

    def _connect(self, mode: str) -> None:
        self._engine = _engine(self._path, mode)
        self._open = self._engine.connect()

    def _disconnect(self) -> None:
        self._open.close()
        self._engine.dispose()


_REFUSALS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_WRITES = (
    sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_NOMEM,
)  # fmt: skip


def _meant(where: str, error: Exception) -> MatscoutError:
    """A disk that takes nothing, or that cannot be reached, is no damage: what stands there is sound."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    if isinstance(error, OSError) or code & 0xFF in _REFUSALS or code in _WRITES:
        return JournalUnavailable(one_line(f"{where}: {cause(error)}"))
    return unreadable(where, error)


@contextmanager
def _reaching(path: Path) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise _meant(str(path), error) from None


@contextmanager
def _kept_if_well(owner: Owner) -> Iterator[Owner]:
    try:
        yield owner
    except BaseException:
        owner.release()
        raise


def _engine(path: Path, mode: str) -> sa.Engine:
    """One connection to the file; `rw` writes ahead and syncs on every commit."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True)
        if mode == "rw":
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        return connection

    return sa.create_engine("sqlite+pysqlite://", creator=connect, poolclass=sa.NullPool)
