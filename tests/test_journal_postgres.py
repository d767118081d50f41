"""What is PostgreSQL's own: fences, answers that are lost, a server that dies, passwords."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from matscout.clock import VirtualClock
from matscout.errors import (
    InputError,
    JournalDamaged,
    JournalTaken,
    JournalUnavailable,
    MatscoutError,
)
from matscout.event import Event, EventKind
from matscout.journal import Journal, driver_of, evict
from matscout.journal_server import check_journal, read_address, server_for, without_passwords
from matscout.report.record import read_record
from matscout.runfolder import RunFolder


def note(text: object) -> Event:
    return Event(EventKind.OPENED, body={"note": text})


def notes(folder: RunFolder) -> list[object]:
    with Journal.read_only(folder) as journal:
        journal.verify()
        return [event.body["note"] for event in journal.read()]


def cut(server: Any, journal: Journal) -> None:
    """The network between a driver and its server, for the time of one packet."""
    schema = journal.where.rpartition(" ")[2]
    with server.admin() as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s",
            [f"matscout {schema}"[:63]],
        ).fetchall()
    assert ended == [(True,)]


# -- fences (R14) ------------------------------------------------------------------------------------


def test_a_driver_that_lost_its_connection_goes_on(postgres: Any, folder: RunFolder) -> None:
    with Journal.create(folder) as journal:
        journal.append(note(1))
        cut(postgres, journal)
        with pytest.raises(JournalUnavailable):
            journal.append(note(2))
        journal.append(note(2))
        with pytest.raises(InputError, match=f"open elsewhere: .*process {os.getpid()}"):
            Journal.open(folder)
        journal.append(note(3))
    assert notes(folder) == [1, 2, 3]


def test_a_driver_that_was_taken_over_meanwhile_writes_nothing(
    postgres: Any, folder: RunFolder
) -> None:
    with Journal.create(folder) as late:
        late.append(note(1))
        cut(postgres, late)
        with Journal.open(folder) as rival:
            rival.append(note("rival's"))
            for _ in range(3):
                with pytest.raises((JournalUnavailable, JournalTaken)) as refused:
                    late.append(note("late"))
        assert refused.type is JournalTaken
        assert f"taken this run over: host {os.uname().nodename}, process {os.getpid()}" in str(
            refused.value
        )
        with pytest.raises(JournalTaken):  # also after the rival has left
            late.append(note("late"))
    assert notes(folder) == [1, "rival's"]


def test_a_lock_alone_would_not_be_enough(postgres: Any, folder: RunFolder) -> None:
    """With its session and its lock, but an epoch that is over, as after a failover to a copy."""
    with Journal.create(folder) as journal:
        journal.append(note(1))
        schema = read_address(folder)[1]
        with postgres.admin() as connection:
            connection.execute(f'UPDATE "{schema}".head SET epoch = epoch + 1')
        with pytest.raises(JournalTaken):
            journal.append(note(2))
    assert notes(folder) == [1]


def _drive(folder: RunFolder, said: Any, go_on: Any) -> None:
    journal = Journal.open(folder)
    said.put(os.getpid())
    go_on.wait()
    for k in range(3):
        try:
            journal.append(note(f"woken {k}"))
            said.put("written")
        except MatscoutError as error:
            said.put(type(error).__name__)


def test_a_stopped_driver_is_evicted_and_finds_out_when_it_wakes(
    postgres: Any, folder: RunFolder
) -> None:
    """SIGSTOP, take over, SIGCONT."""
    with Journal.create(folder) as journal:
        journal.append(note(1))
    context = multiprocessing.get_context("fork")
    said, go_on = context.Queue(), context.Event()
    driver = context.Process(target=_drive, args=(folder, said, go_on))
    driver.start()
    pid = said.get()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(InputError, match=f"process {pid}"):
            Journal.open(folder)
        assert evict(folder).endswith(f"process {pid}")
        with Journal.open(folder) as journal:
            journal.append(note("rival's"))
    finally:
        os.kill(pid, signal.SIGCONT)
    go_on.set()
    answers = [said.get() for _ in range(3)]
    driver.join()
    assert answers[-1] == "JournalTaken" and "written" not in answers
    assert notes(folder) == [1, "rival's"] and driver_of(folder) == "" and evict(folder) == ""


def test_a_driver_stopped_in_mid_transaction_holds_nobody_up(
    postgres: Any, folder: RunFolder
) -> None:
    with Journal.create(folder) as journal:
        journal.append(note(1))
        store: Any = journal._store
        store._open.execute(store._ours().values(seq=2, hash="x"))  # and then it stops
        evict(folder)
        with Journal.open(folder) as rival:
            rival.append(note(2))
    assert notes(folder) == [1, 2]


def test_a_file_has_nobody_to_evict(folder: RunFolder) -> None:
    with (
        Journal.create(folder),
        pytest.raises(InputError, match=f"process {os.getpid()}.*end that"),
    ):
        evict(folder)


# -- answers that are lost (R1) ----------------------------------------------------------------------


@pytest.fixture
def deaf(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Journal], None]:
    """The next commit takes place, and its answer is lost with the connection."""

    def once(journal: Journal) -> None:
        connection: Any = journal._store._connection
        commit = connection.commit

        def commit_and_break() -> None:
            commit()
            cut(postgres, journal)
            raise OperationalError("COMMIT", {}, OSError("server closed the connection"))

        monkeypatch.setattr(connection, "commit", commit_and_break)

    return once


def test_a_commit_without_an_answer_is_found_again(
    folder: RunFolder, deaf: Callable[[Journal], None]
) -> None:
    with Journal.create(folder, VirtualClock(1.0)) as journal:
        journal.stage(note(1), note(2))
        deaf(journal)
        with pytest.raises(JournalUnavailable):
            journal.commit()
        assert journal.last_seq == 0
        journal.commit()
        assert journal.last_seq == 2
    assert notes(folder) == [1, 2]


def test_what_was_staged_after_it_is_written_alone(
    folder: RunFolder, deaf: Callable[[Journal], None]
) -> None:
    with Journal.create(folder) as journal:
        journal.stage(note(1), note(2))
        deaf(journal)
        with pytest.raises(JournalUnavailable):
            journal.commit()
        journal.stage(note(3))
        journal.commit()
    assert notes(folder) == [1, 2, 3]


def test_an_append_that_is_tried_again_is_the_same_append(
    folder: RunFolder, deaf: Callable[[Journal], None]
) -> None:
    clock = VirtualClock(1.0)
    with Journal.create(folder, clock) as journal:
        deaf(journal)
        with pytest.raises(JournalUnavailable):
            journal.append(note(1), note(2))
        clock.advance(5.0)
        assert [e.time for e in journal.append(note(1), note(2))] == [1.0, 1.0]
        journal.append(note(1))
    assert notes(folder) == [1, 2, 1]


def test_another_append_instead_of_it_is_refused(
    folder: RunFolder, deaf: Callable[[Journal], None]
) -> None:
    """It would go by a history without what was written."""
    with Journal.create(folder) as journal:
        deaf(journal)
        with pytest.raises(JournalUnavailable):
            journal.append(note(1))
        with pytest.raises(JournalTaken, match=r"event 1 was written.*open the run again"):
            journal.append(note("other"))
    assert notes(folder) == [1]


# -- a server that dies, or is of no use for a while (R8) --------------------------------------------


def _append_on(folder: RunFolder, path: Path, count: int) -> None:
    """As the loop does: the same events, until they are taken."""
    with Journal.open(folder) as journal, open(path, "w") as acknowledged:
        for k in range(count):
            journal.stage(note(k))
            while True:
                try:
                    journal.commit()
                    break
                except JournalUnavailable:
                    time.sleep(0.01)
            print(k, file=acknowledged, flush=True)


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_server_killed_in_the_middle_of_commits_loses_and_doubles_nothing(
    postgres: Any, folder: RunFolder, tmp_path: Path, times: int
) -> None:
    Journal.create(folder).close()
    told, count = tmp_path / "told", 150 * times
    driver = multiprocessing.get_context("fork").Process(
        target=_append_on, args=(folder, told, count)
    )
    driver.start()
    try:
        for k in range(times):
            while not told.exists() or len(told.read_bytes().split()) < 107 * k + 20:
                assert driver.is_alive()
                os.sched_yield()
            postgres.kill()
            postgres.start()
        driver.join()
    finally:
        driver.kill()
    assert driver.exitcode == 0 and len(told.read_text().split()) == count
    assert notes(folder) == list(range(count))


def test_a_server_that_only_reads_is_waited_for(postgres: Any, folder: RunFolder) -> None:
    """A standby, or one that is being looked after."""
    with Journal.create(folder) as journal:
        journal.append(note(1))
        journal._store._connection.connection.dbapi_connection.read_only = True  # type: ignore[attr-defined]
        with pytest.raises(JournalUnavailable, match="read-only transaction"):
            journal.append(note(2))
        assert journal.last_seq == 1
        journal._store._connection.connection.dbapi_connection.read_only = False  # type: ignore[attr-defined]
        journal.append(note(3))
    assert notes(folder) == [1, 3]


def test_a_server_that_is_not_there_is_one_line(postgres: Any, folder: RunFolder) -> None:
    Journal.create(folder).close()
    postgres.stop()
    try:
        for look in (Journal.open, Journal.read_only):
            with pytest.raises(JournalUnavailable) as refused:
                look(folder)
            assert "\n" not in str(refused.value) and str(postgres.folder) in str(refused.value)
    finally:
        postgres.start()
    Journal.open(folder).close()


def test_a_server_restored_from_an_older_copy_is_refused(postgres: Any, folder: RunFolder) -> None:
    """The run's folder knows what was acknowledged; so does a driver that was cut off."""
    with Journal.create(folder) as journal:
        for k in range(3):
            journal.append(note(k))
        schema = read_address(folder)[1]
        with postgres.admin() as connection:
            connection.execute(f'DELETE FROM "{schema}".events WHERE seq = 3')
            query = (
                f'UPDATE "{schema}".head SET seq = 2, hash = (SELECT hash FROM "{schema}".events'
            )
            connection.execute(query + " WHERE seq = 2)")
        cut(postgres, journal)
        with pytest.raises(JournalUnavailable):
            journal.append(note(3))
        with pytest.raises(JournalDamaged, match="event 3 is missing: 3 events were acknowledged"):
            journal.append(note(3))
    with pytest.raises(JournalDamaged, match="event 3 is missing: 3 events were acknowledged"):
        Journal.open(folder)


def test_a_run_of_another_server_is_not_found(postgres: Any, folder: RunFolder) -> None:
    Journal.create(folder).close()
    said = json.loads(folder.address.read_text())
    folder.address.write_text(json.dumps(said | {"schema": "matscout_other_0"}))
    with pytest.raises(InputError, match="no such run is there"):
        Journal.open(folder)
    for broken in ("", "{}", json.dumps(said | {"schema": "x; DROP SCHEMA public"})):
        folder.address.write_text(broken)
        with pytest.raises(InputError, match="does not say where"):
            Journal.read_only(folder)


def test_commits_are_waited_for(postgres: Any, folder: RunFolder) -> None:
    with postgres.admin() as connection:
        connection.execute("ALTER ROLE matscout SET synchronous_commit = off")
    try:
        with Journal.create(folder) as journal:
            c: Any = journal._store._connection
            assert c.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            assert journal.notes == []
    finally:
        with postgres.admin() as connection:
            connection.execute("ALTER ROLE matscout RESET synchronous_commit")


def test_a_server_that_does_not_sync_is_mentioned(postgres: Any, folder: RunFolder) -> None:
    Journal.create(folder).close()
    with postgres.admin() as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
    postgres.restart()
    try:
        with Journal.open(folder) as journal:
            assert ["fsync off" in said for said in journal.notes] == [True]
    finally:
        with postgres.admin() as connection:
            connection.execute("ALTER SYSTEM RESET fsync")
        postgres.restart()


# -- passwords ---------------------------------------------------------------------------------------


def test_the_password_is_nowhere(
    postgres: Any, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.create(folder) as journal:
        journal.append(note(1))
        seen = [journal.where, repr(read_address(folder)), str(vars(journal._store)["_server"])]
    seen += [path.read_text() for path in folder.root.rglob("*") if path.is_file()]
    monkeypatch.setenv("MATSCOUT_JOURNAL", postgres.url.replace("pass@", "PASS@"))
    with pytest.raises(JournalUnavailable, match="authentication failed") as refused:
        Journal.open(folder)
    monkeypatch.delenv("MATSCOUT_JOURNAL")
    with pytest.raises(JournalUnavailable, match="no password"):
        Journal.open(folder)
    for text in (*seen, str(refused.value)):
        assert not any(piece in text for piece in ("se/cr", "se%2Fcr", "t pass", "PASS")), text
    monkeypatch.setenv("PGPASSWORD", postgres.PASSWORD)  # libpq's own way will do
    Journal.open(folder).close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@host/db",
        "postgresql://host/db?password=s3cret",
        "postgresql://me:s3/cret@host/db",
        "postgresql://me:5432/s3cret@host/db",
        "postgresql://me:s3cret@host:port/db",
        "postgresql://host/db?passwrd=s3cret",
        "mysql://me:s3cret@host/db",
        "s3cret",
    ],
)
def test_a_config_with_a_password_is_refused_without_it(url: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(InputError, match=r"^run\.journal: ") as refused:
        check_journal(url)
    assert not any(piece in str(refused.value) for piece in ("3cret", "/cret"))


def test_what_pydantic_quotes_is_without_passwords() -> None:
    assert without_passwords("got [{'journal': 'postgresql://me:pw@h/db?password=x&a=1'}]") == (
        "got [{'journal': 'postgresql://***@h/db?password=***&a=1'}]"
    )


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me@db.lab.edu:5433/matscout",
        "postgresql://me@/matscout?host=/var/run/postgresql",
        "postgresql://me@/m?host=one,two&port=5432,5433&target_session_attrs=read-write",
        "postgresql://m%40e@h/a%20b?sslmode=verify-full",
    ],
)
def test_an_address_survives_being_written_down(
    address: str, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    assert check_journal(address) == address
    server = server_for(address)
    assert server is not None and server.params["user"] in ("me", "m@e")
    folder.address.write_text(json.dumps({"url": server.address, "schema": "matscout_x_0"}))
    found, _ = read_address(folder)
    assert found.params == server.params and not found.trusted
    monkeypatch.setenv("MATSCOUT_JOURNAL", "postgresql://you@elsewhere/db")
    assert read_address(folder)[0].params["host"] == "elsewhere"


# -- a whole run -------------------------------------------------------------------------------------

CONFIG = """
name = "served"
[space.parameters]
x = { type = "float", low = 0.0, high = 1.0 }
[[targets]]
name = "y"
direction = "min"
[evaluator]
type = "function"
target = "served_objective:y"
[proposer]
type = "random"
[run]
trials = 6
workers = 1
fleet = "inline"
journal = "ADDRESS"
"""


def test_commands_read_it_and_a_pause_is_told(
    postgres: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The server goes in the middle of a sweep, and comes back; nothing is asked or measured twice."""
    from matscout.cli.app import main

    def command(*words: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        out, err = capfd.readouterr()
        assert not end.value.code, err
        return out + err

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("MATSCOUT_JOURNAL")
    monkeypatch.setenv("PGPASSWORD", postgres.PASSWORD)
    (tmp_path / "c.toml").write_text(CONFIG.replace("ADDRESS", postgres.address))
    (tmp_path / "served_objective.py").write_text(
        "import served_stop\ndef y(params):\n    served_stop.stop_once()\n    return params['x']\n"
    )
    (tmp_path / "served_stop.py").write_text("def stop_once(): pass\n")
    import served_stop  # type: ignore[import-not-found]

    measured: list[int] = []
    back = threading.Timer(1.0, postgres.start)

    def stop_once() -> None:
        measured.append(1)
        if len(measured) == 3:
            postgres.kill()
            back.start()

    monkeypatch.setattr(served_stop, "stop_once", stop_once)
    said = command("sweep", "c.toml")
    back.join()
    assert "paused: " in said and "goes on when" in said and len(measured) == 6
    assert "6 complete" in command("status", "served")
    assert "sound" in command("verify", "served")
    assert "6 trials" in command("export", "served", "--out", "t.csv")
    assert read_record(RunFolder.of("served")).verdict.notes == ()
    said = command("resume", "served", "--trials", "7") + command("evict", "served")
    assert len(measured) == 7 and "nobody drives served" in said
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"se/cr" not in everything and not list(tmp_path.rglob("journal.db"))


@pytest.mark.parametrize("host", ["x" * 300, "," * 300])
def test_a_host_that_can_be_none_is_refused_in_one_line(host: str) -> None:
    """The first is no name, and each of the others would be tried in turn."""
    with pytest.raises(MatscoutError) as caught:
        server = server_for(f"postgresql://lab@/matscout?host={host}")
        assert server is not None
        server.connect("test")
    assert "\n" not in str(caught.value)


def test_ctrl_c_while_a_connection_closes_is_no_traceback() -> None:
    """SQLAlchemy would log one, and raises it all the same."""
    import matscout.journal_postgres  # noqa: F401

    assert not logging.getLogger("sqlalchemy.pool.impl.QueuePool").isEnabledFor(logging.ERROR)
