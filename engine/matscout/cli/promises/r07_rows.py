"""R7 on a server: every column of every row altered, and rows that are not where they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from matscout.cli.promises.laboratory import drop_schema
from matscout.cli.promises.promise import Figure, Setting
from matscout.cli.promises.tally import Tally
from matscout.clock import VirtualClock
from matscout.errors import InputError, JournalDamaged
from matscout.event import Event, EventKind
from matscout.journal import Journal
from matscout.journal_server import read_address
from matscout.runfolder import RunFolder

EVENTS = 50

_NUMBERS = ("seq", "schema", "time", "trial", "attempt")
_NUMBER_TO = ("{} + 1", "{} - 1", "-{} - 7", "NULL")
_TEXTS = ("kind", "body", "hash")
_TEXT_TO = ("overlay({} placing '~' from 2)", "left({}, -1)", "{} || ' '", "''", "NULL")


def some_event(number: int) -> Event:
    body = {"values": {"y": 1.1 + number}, "source": "furnace 2"}
    return Event(EventKind.MEASURED, number, 1, body)


def verdict(folder: RunFolder, events: list[Event]) -> str:
    """How the journal is read: "same", "said" (the same, with a note), "refused", "cut and said" (all
    but the last transaction, with a note); or what is wrong with that."""
    try:
        with Journal.read_only(folder) as journal:
            notes = journal.verify().notes
            read = list(journal.read())
    except JournalDamaged as error:
        return "refused" if "\n" not in str(error) else "a refusal of several lines"
    except InputError as error:
        return "refused" if "newer matscout" in str(error) else f"{error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if read == events:
        return "said" if notes else "same"
    if read == events[:-1] and any("torn tail" in note for note in notes):
        return "cut and said"
    return f"{len(read)} events were read, not these, with notes {notes}"


def keep(setting: Setting, tally: Tally) -> Figure:
    """Evenly spread over all alterations there can be, as many as `rounds`."""
    folder = RunFolder(setting.folder / "run")
    folder.root.mkdir()
    with Journal.create(folder, VirtualClock(5.0)) as journal:
        for number in range(EVENTS):
            journal.append(some_event(number))
    with Journal.read_only(folder) as journal:
        events = list(journal.read())
    server, schema = read_address(folder)
    changes = list(_changes())
    step = max(1, round(len(changes) / setting.rounds))
    ends: Counter[str] = Counter()
    with server.connect("matscout faults") as connection:
        connection.commit()
        connection.autocommit = True
        connection.execute(f'SET search_path TO "{schema}"')
        for table in ("events", "head"):
            connection.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
        for change in changes[setting.seed % step :: step]:
            how = _altered(connection, folder, change, events)
            ends[how] += 1
            allowed = how in ("refused", "not taken by the server")
            tally.round(change, "" if allowed else how)
    drop_schema(folder)
    which = "every" if step == 1 else f"1 in {step} of every"
    said = ", ".join(f"{count} {how}" for how, count in sorted(ends.items()))
    return tally.figure(f"{which} column of every row altered, rows moved: {said}")


def _altered(connection: Any, folder: RunFolder, change: str, events: list[Event]) -> str:
    import psycopg

    try:
        connection.execute(change)
    except psycopg.Error:
        return "not taken by the server"  # a key twice, NULL where there must be something
    how = verdict(folder, events)
    for table in ("events", "head"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
        connection.execute(f"INSERT INTO {table} TABLE kept_{table}")
    return how


def _changes() -> Iterator[str]:
    """Statements, each of which damages the record."""
    for seq in range(1, EVENTS + 1):
        for columns, ways in ((_NUMBERS, _NUMBER_TO), (_TEXTS, _TEXT_TO)):
            for column in columns:
                for way in ways:
                    to = way.format(column)
                    yield f"UPDATE events SET {column} = {to} WHERE seq = {seq}"  # noqa: S608
        yield f"DELETE FROM events WHERE seq = {seq}"  # noqa: S608
        yield f"DELETE FROM events WHERE seq >= {seq}"  # noqa: S608
        yield (
            "UPDATE events SET body = other.body FROM events other "  # noqa: S608
            f"WHERE events.seq = {seq} AND other.seq = {seq % EVENTS + 1}"
        )
    yield "UPDATE head SET seq = seq + 1"
    yield "UPDATE head SET seq = seq - 1"
    yield "UPDATE head SET hash = overlay(hash placing '~' from 2)"
    yield "DELETE FROM head"
    yield "DELETE FROM events"
