"""The exam of every journal: SQLite in the run's folder, PostgreSQL on a real server."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matscout import failpoint
from matscout.clock import VirtualClock
from matscout.errors import InputError, JournalDamaged, JournalUnavailable
from matscout.event import Event, EventKind
from matscout.journal import Journal, driver_of
from matscout.runfolder import RunFolder

pytestmark = pytest.mark.usefixtures("disarm")

Raw = Callable[[str], list[Any]]


@pytest.fixture(params=["sqlite", "postgres"], autouse=True)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "postgres":
        request.getfixturevalue("postgres")
    return str(request.param)


@pytest.fixture
def raw(folder: RunFolder, request: pytest.FixtureRequest, backend: str) -> Raw:
    """SQL behind the journal's back."""

    def sqlite(statement: str) -> list[Any]:
        with sqlite3.connect(folder.journal) as connection:
            return connection.execute(statement).fetchall()

    def server(statement: str) -> list[Any]:
        schema = json.loads(folder.address.read_text())["schema"]
        with request.getfixturevalue("postgres").admin() as connection:
            connection.execute("SELECT set_config('search_path', %s, false)", [f'"{schema}"'])
            done = connection.execute(statement)
            return [] if done.description is None else list(done.fetchall())

    return sqlite if backend == "sqlite" else server


def some_events(count: int) -> list[Event]:
    events = [Event(EventKind.CREATED, body={"name": "x", "targets": [{"name": "y"}]})]
    trial = 0
    while len(events) < count:
        events.append(Event(EventKind.ASKED, trial, body={"params": {"x": trial / 7}}))
        events.append(Event(EventKind.DISPATCHED, trial, 1))
        events.append(Event(EventKind.MEASURED, trial, 1, {"values": {"y": trial * 1.1}}))
        trial += 1
    return events[:count]


def filled(folder: RunFolder, count: int = 50) -> list[Event]:
    with Journal.create(folder, VirtualClock(5.0)) as journal:
        journal.append(*some_events(count))
    with Journal.read_only(folder) as journal:
        return list(journal.read())


def test_what_is_appended_is_read(folder: RunFolder, backend: str) -> None:
    events = filled(folder)
    assert folder.journal.is_file() == (backend == "sqlite") != folder.address.is_file()
    assert [e.seq for e in events] == list(range(1, 51))
    assert {e.time for e in events} == {5.0}
    assert [(e.kind, e.trial, e.attempt, e.body) for e in events] == [
        (e.kind, e.trial, e.attempt, e.body) for e in some_events(50)
    ]
    with Journal.read_only(folder) as journal:
        assert [e.seq for e in journal.read(since=47)] == [48, 49, 50]
        assert journal.verify().events == 50


def test_more_than_a_block_is_read(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matscout.journal_store._BLOCK", 7)
    events = filled(folder, 49)
    with Journal.read_only(folder) as journal:
        assert list(journal.read()) == events and len(events) == 49
        assert [e.seq for e in journal.read(since=40)] == list(range(41, 50))


def test_both_databases_hold_the_same_rows(folder: RunFolder, raw: Raw) -> None:
    """One known digest of this schema: whatever holds them, the chain is the same."""
    filled(folder, 10)
    rows = raw("SELECT * FROM events ORDER BY seq")
    assert [len(row) for row in rows] == [8] * 10
    assert rows[-1][-1].startswith("b8b8db7f4b06e381") and rows[3][6] == '{"values":{"y":0.0}}'


def test_append_returns_what_stands_on_the_disk(folder: RunFolder) -> None:
    with Journal.create(folder, VirtualClock(3.0)) as journal:
        assert journal.append() == []
        stamped = journal.append(*some_events(3))
        assert [(e.seq, e.time) for e in stamped] == [(1, 3.0), (2, 3.0), (3, 3.0)]
        assert list(journal.read()) == stamped


def test_it_goes_on_after_being_closed(folder: RunFolder) -> None:
    filled(folder, 4)
    seen: list[Event] = []
    with Journal.open(folder, seen.append) as journal:
        assert len(seen) == 4
        journal.append(Event(EventKind.STOPPED, body={"reason": "done"}))
        assert journal.notes == []
    with Journal.read_only(folder) as journal:
        assert journal.verify().events == 5


def test_a_reader_sees_what_a_writer_commits_and_changes_nothing(folder: RunFolder) -> None:
    with Journal.create(folder) as writer, Journal.read_only(folder) as reader:
        assert list(reader.read()) == []
        writer.append(*some_events(3))
        assert len(list(reader.read())) == 3
        with pytest.raises(ValueError, match="opened to be read"):
            reader.append(Event(EventKind.OPENED))


VALUES = (
    st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.none()
    | st.booleans()
)


@settings(max_examples=6)
@given(bodies=st.lists(st.dictionaries(st.text(), VALUES, max_size=4), min_size=10, max_size=20))
def test_any_json_body_survives(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[dict[str, object]]
) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("any") / "run")
    folder.root.mkdir()
    with Journal.create(folder) as journal:
        journal.append(*(Event(EventKind.OPENED, body=body) for body in bodies))
    with Journal.read_only(folder) as journal:
        assert [e.body for e in journal.read()] == bodies


def test_a_time_comes_back_to_the_last_bit(folder: RunFolder) -> None:
    """Its digits are hashed."""
    clock = VirtualClock()
    times = [
        0.1,
        1 / 3,
        1.7e9 + 1 / 7,
        5e-324,
        1.7976931348623157e308,
        *(2.0**-k for k in range(60)),
    ]
    with Journal.create(folder, clock) as journal:
        for clock.now_s in times:
            journal.stage(Event(EventKind.OPENED))
        journal.commit()
        assert [e.time for e in journal.read()] == times


def test_nan_cannot_enter(folder: RunFolder) -> None:
    with Journal.create(folder) as journal:
        with pytest.raises(ValueError):
            journal.append(Event(EventKind.MEASURED, 0, 1, {"values": {"y": float("nan")}}))
        assert journal.last_seq == 0
        journal.append(*some_events(1))


# -- damage (promise R7) and versions (R18) ----------------------------------------------------------


def test_a_changed_value_is_named_by_its_event(folder: RunFolder, raw: Raw) -> None:
    filled(folder)
    raw("UPDATE events SET body = replace(body, '1.1', '9.9') WHERE seq = 7")
    with pytest.raises(JournalDamaged, match="event 7 does not match its hash"):
        Journal.open(folder)


@pytest.mark.parametrize("column", ["schema", "time", "trial", "attempt"])
def test_every_column_is_vouched_for(folder: RunFolder, raw: Raw, column: str) -> None:
    filled(folder)
    raw(f"UPDATE events SET {column} = {column} - 1 WHERE seq = 7")
    with pytest.raises(JournalDamaged, match="event 7 does not match its hash"):
        Journal.open(folder)


def test_a_removed_event_is_named(folder: RunFolder, raw: Raw) -> None:
    filled(folder)
    raw("DELETE FROM events WHERE seq = 12")
    with pytest.raises(JournalDamaged, match="event 12 is missing"):
        Journal.open(folder)


def test_a_lost_end_is_noticed_by_the_head(folder: RunFolder, raw: Raw) -> None:
    filled(folder)
    raw("DELETE FROM events WHERE seq > 45")
    with pytest.raises(JournalDamaged, match="event 46 is missing: 50 events were acknowledged"):
        Journal.open(folder)


def test_a_newer_journal_is_refused_untouched(folder: RunFolder, raw: Raw, backend: str) -> None:
    filled(folder)
    raw("UPDATE events SET schema = 99 WHERE seq = 50")
    tables = ["events"] if backend == "sqlite" else ["events", "head"]
    before = [raw(f"SELECT * FROM {table}") for table in tables]
    with pytest.raises(InputError, match="newer matscout"):
        Journal.open(folder)
    assert [raw(f"SELECT * FROM {table}") for table in tables] == before


def test_no_run_is_no_run(folder: RunFolder) -> None:
    with pytest.raises(InputError, match="is no run"):
        Journal.open(RunFolder(folder.root / "elsewhere"))


# -- acknowledgement (promises R1, R8) ---------------------------------------------------------------


@pytest.mark.parametrize("place", ["journal.before_write", "journal.before_commit"])
def test_a_disk_that_refuses_changes_nothing(folder: RunFolder, place: str) -> None:
    with Journal.create(folder) as journal:
        journal.append(*some_events(3))
        failpoint.arm(f"{place}:1:raise")
        with pytest.raises(JournalUnavailable):
            journal.append(Event(EventKind.OPENED))
        assert journal.last_seq == 3
        journal.append(Event(EventKind.OPENED, body={"again": True}))
        assert journal.verify().events == 4


@pytest.mark.parametrize("place", ["journal.before_write", "journal.before_commit"])
def test_what_is_staged_waits_for_the_disk(folder: RunFolder, place: str) -> None:
    with Journal.create(folder) as journal:
        staged = journal.stage(*some_events(3))
        failpoint.arm(f"{place}:1:raise")
        with pytest.raises(JournalUnavailable):
            journal.commit()
        staged += journal.stage(Event(EventKind.OPENED))
        journal.commit()
        assert list(journal.read()) == staged and journal.verify().events == 4


def _append_until_killed(folder: RunFolder, spec: str, told: str) -> None:
    failpoint.arm(spec)
    journal = Journal.create(folder)
    with open(told, "w") as acknowledged:
        for event in some_events(30):
            seq = journal.append(event)[-1].seq
            print(seq, file=acknowledged, flush=True)


@pytest.mark.parametrize("count", [1, 17])
@pytest.mark.parametrize(
    "place",
    ["journal.before_write", "journal.before_commit", "journal.after_commit", "journal.after_head"],
)
def test_kill_9_loses_nothing_acknowledged(
    folder: RunFolder, tmp_path: Path, place: str, count: int
) -> None:
    """And whoever comes next has the journal at once: the dead hold no lock (R14)."""
    told = tmp_path / "acknowledged"
    process = multiprocessing.get_context("fork").Process(
        target=_append_until_killed, args=(folder, f"{place}:{count}:kill", str(told))
    )
    process.start()
    process.join()
    assert process.exitcode == -9
    acknowledged = len(told.read_text().split()) if told.exists() else 0
    began = time.monotonic()
    with Journal.open(folder) as journal:
        assert time.monotonic() - began < 5
        assert acknowledged <= journal.last_seq <= acknowledged + 1
        journal.append(Event(EventKind.OPENED))


# -- ownership (promise R14) -------------------------------------------------------------------------


def test_a_second_driver_is_refused_with_the_owner(folder: RunFolder) -> None:
    with Journal.create(folder) as first:
        first.append(*some_events(2))
        assert driver_of(folder).endswith(f"process {os.getpid()}")
        with pytest.raises(InputError, match=f"open elsewhere: host .*, process {os.getpid()}"):
            Journal.open(folder)
        first.append(Event(EventKind.OPENED))
    assert driver_of(folder) == ""
    Journal.open(folder).close()


def _race(folder: RunFolder, start: Any, said: Any) -> None:
    start.wait()
    try:
        with Journal.open(folder) as journal:
            journal.append(Event(EventKind.OPENED, body={"pid": os.getpid()}))
            said.put("won")
            start.wait()  # until all have tried
    except InputError as error:
        said.put(str(error))
        start.wait()


def test_of_drivers_that_race_one_wins(folder: RunFolder) -> None:
    filled(folder, 5)
    context = multiprocessing.get_context("fork")
    count = 5
    start, said = context.Barrier(count), context.Queue()
    racers = [context.Process(target=_race, args=(folder, start, said)) for _ in range(count)]
    for racer in racers:
        racer.start()
    answers = sorted(said.get() for _ in racers)
    for racer in racers:
        racer.join()
    assert answers.pop() == "won"
    assert len(answers) == count - 1 and all("open elsewhere" in said for said in answers)
    with Journal.open(folder) as journal:
        assert journal.last_seq == 6
