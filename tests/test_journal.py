"""What is SQLite's own: bytes of the file and of its log. The rest is in contracts/test_journals.py."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from matscout.clock import VirtualClock
from matscout.errors import InputError, JournalDamaged
from matscout.event import Event, EventKind
from matscout.journal import Journal
from matscout.owner import refuse_network_file_system
from matscout.runfolder import RunFolder
from matscout.wal import inspect_wal


def some_events(count: int) -> list[Event]:
    body = {"values": {"y": 1.1}, "source": "furnace 2"}
    return [Event(EventKind.MEASURED, trial, 1, body) for trial in range(count)]


def filled(folder: RunFolder, count: int = 50) -> list[Event]:
    with Journal.create(folder, VirtualClock(5.0)) as journal:
        for event in some_events(count):
            journal.append(event)
    with Journal.read_only(folder) as journal:
        return list(journal.read())


# -- damage (promise R7) ---------------------------------------------------------------------------


def outcome_of(folder: RunFolder, events: list[Event]) -> str:
    """`same`, `refused`, or `cut` (a clean prefix, and it is said)."""
    try:
        with Journal.read_only(folder) as journal:
            verdict = journal.verify()
            read = list(journal.read())
    except JournalDamaged:
        return "refused"
    except InputError as error:
        assert "newer matscout" in str(error)
        return "refused"
    assert read == events[: len(read)]
    if len(read) == len(events):
        return "same"
    assert any("torn tail" in note for note in verdict.notes)
    return "cut"


def damaged(folder: RunFolder, name: str, change: bytes | None, at: int) -> RunFolder:
    """A copy of the run in which a byte of the file is changed, or the file ends at `at`."""
    copy = RunFolder(folder.root.with_name("copy"))
    shutil.rmtree(copy.root, ignore_errors=True)
    shutil.copytree(folder.root, copy.root)
    with open(copy.root / name, "r+b") as file:
        if change is None:
            file.truncate(at)
        else:
            file.seek(at)
            file.write(change)
    return copy


def every(step: int, full: int = 1) -> list[object]:
    """A sample for every change; all of them, or nearly so (a log is long), for a full run."""
    slow = pytest.mark.slow
    return [
        pytest.param(step, id=f"1 in {step}"),
        pytest.param(full, id=f"1 in {full}", marks=slow),
    ]


@pytest.mark.parametrize("step", every(61))
def test_a_flipped_byte_is_refused_or_harmless(folder: RunFolder, step: int) -> None:
    events = filled(folder)
    data = folder.journal.read_bytes()
    for at in range(0, len(data), step):
        copy = damaged(folder, "journal.db", bytes([data[at] ^ (1 << at % 8)]), at)
        assert outcome_of(copy, events) in ("same", "refused"), at


@pytest.mark.parametrize("step", every(97))
def test_a_journal_cut_short_is_refused(folder: RunFolder, step: int) -> None:
    events = filled(folder)
    for at in range(0, folder.journal.stat().st_size, step):
        assert outcome_of(damaged(folder, "journal.db", None, at), events) == "refused", at


def killed_writer(folder: RunFolder) -> list[Event]:
    """A journal as kill -9 leaves it: everything in the write-ahead log. Returns its events."""
    process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == -9
    with Journal.read_only(folder) as journal:
        return list(journal.read())


def _write_and_die(folder: RunFolder) -> None:
    journal = Journal.create(folder, VirtualClock(5.0))
    for event in some_events(20):
        journal.append(event)
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize("step", every(997, 11))
def test_the_log_cut_anywhere_is_cut_or_refused_but_never_silent(
    folder: RunFolder, step: int
) -> None:
    events = killed_writer(folder)
    assert len(events) == 20
    size = folder.journal.with_name("journal.db-wal").stat().st_size
    for at in range(0, size, step):
        copy = damaged(folder, "journal.db-wal", None, at)
        assert outcome_of(copy, events) == "refused", at  # all of it was acknowledged


@pytest.mark.parametrize("step", every(997, 11))
def test_a_flipped_byte_in_the_log_is_never_silent(folder: RunFolder, step: int) -> None:
    events = killed_writer(folder)
    data = folder.journal.with_name("journal.db-wal").read_bytes()
    for at in range(0, len(data), step):
        copy = damaged(folder, "journal.db-wal", bytes([data[at] ^ 0x10]), at)
        assert outcome_of(copy, events) in ("same", "refused"), at


def test_a_torn_tail_is_cut_and_reported(folder: RunFolder) -> None:
    """What was never acknowledged may be lost; it is said, and the next append is sound."""
    killed_writer(folder)
    wal = folder.journal.with_name("journal.db-wal")
    whole = wal.read_bytes()
    frame = 24 + 4096
    # A crash in the middle of the next transaction: one and a half frames with the log's own salts.
    torn = whole[-2 * frame :][: frame * 3 // 2]
    wal.write_bytes(whole + torn[:4] + b"\0\0\0\0" + torn[8:])
    assert inspect_wal(wal).torn_bytes == len(torn)
    with Journal.open(folder) as journal:
        assert journal.last_seq == 20
        assert any("torn tail" in note for note in journal.notes)
        journal.append(Event(EventKind.OPENED))
    with Journal.read_only(folder) as journal:
        assert journal.verify().events == 21
        assert journal.verify().notes == ()


def test_a_newer_journal_is_refused_untouched(folder: RunFolder) -> None:
    filled(folder)
    with sqlite3.connect(folder.journal) as raw:
        raw.execute("UPDATE events SET schema = 99 WHERE seq = 50")
    raw.close()
    before = folder.journal.read_bytes()
    with pytest.raises(InputError, match="newer matscout"):
        Journal.open(folder)
    assert folder.journal.read_bytes() == before


def test_a_foreign_file_is_refused(folder: RunFolder) -> None:
    folder.journal.write_text("this is no database")
    with pytest.raises(JournalDamaged, match="cannot be read"):
        Journal.open(folder)
    with pytest.raises(InputError, match="is no run"):
        Journal.open(RunFolder(folder.root / "elsewhere"))


# -- ownership (promise R14) -----------------------------------------------------------------------


def test_a_dead_owner_is_taken_over_at_once(folder: RunFolder) -> None:
    killed_writer(folder)
    Journal.open(folder).close()


def test_network_file_systems_are_refused(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\nx /home/a\\040b ext4 rw 0 0\n"
    )
    with pytest.raises(InputError, match=r"/home is a network file system \(nfs4\)"):
        refuse_network_file_system(Path("/home/me/run/journal.db"), mounts)
    refuse_network_file_system(Path("/home/a b/journal.db"), mounts)
    refuse_network_file_system(Path("/data/journal.db"), mounts)
    refuse_network_file_system(Path("/data/journal.db"), tmp_path / "none")


def test_a_link_to_a_network_file_system_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, mounts = tmp_path / "far", tmp_path / "mounts"
    far.mkdir()
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {far.resolve()} nfs4 rw 0 0\n")
    (tmp_path / "near").symlink_to(far)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "near/journal.db", Path("near/journal.db"), Path("far/journal.db")):
        with pytest.raises(InputError, match="is a network file system"):
            refuse_network_file_system(path, mounts)


def test_state_is_private(folder: RunFolder) -> None:
    filled(folder, 3)
    for path in (folder.journal, folder.lock, folder.head):
        assert path.stat().st_mode & 0o077 == 0
    head = folder.head.read_text()
    with Journal.open(folder):
        assert json.loads(folder.lock.read_text())["pid"] == os.getpid()
    assert head.startswith("00000000000000000003 ")
