"""The net under every result: durable, hashed, swept; and the lock that tells who is alive."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matscout import failpoint
from matscout.fleet.attempt_lock import AttemptLocks, AttemptTaken
from matscout.fleet.outbox import Outbox
from matscout.outcome import Kind, Outcome

RESULT = Outcome(3, 1, Kind.MEASURED, values={"y": 0.1 + 0.2}, sem={"y": 1e-3}, worker="w")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path)


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoint.arm("")


def test_a_disk_that_will_not_remove_a_result_ends_nobody(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal has it; the next sweep finds it again, and nothing comes of that."""
    outbox.write(RESULT)

    def read_only(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", read_only)
        outbox.acknowledge(RESULT)
    assert outbox.sweep() == [RESULT]


def test_what_was_written_is_found_until_it_is_acknowledged(outbox: Outbox) -> None:
    later = Outcome(3, 2, Kind.CRASHED, reason="ünïcode\u2028")
    for outcome in (later, RESULT):
        outbox.write(outcome)
    assert outbox.sweep() == [RESULT, later]
    outbox.acknowledge(RESULT)
    outbox.acknowledge(RESULT)
    assert outbox.sweep() == [later]
    assert outbox.read(3, 2) == later
    assert outbox.read(3, 1) is None


def test_acknowledging_a_report_leaves_the_ending_that_came_meanwhile(outbox: Outbox) -> None:
    outbox.write(RESULT)
    outbox.acknowledge(Outcome(3, 1, Kind.REPORTED, step=2, values={"y": 0.5}))
    assert outbox.sweep() == [RESULT]


@pytest.mark.parametrize("kind", [Kind.STOPPED, Kind.CRASHED])
def test_acknowledging_what_a_fleet_made_up_leaves_what_the_worker_wrote(
    outbox: Outbox, kind: Kind
) -> None:
    outbox.write(RESULT)
    outbox.acknowledge(Outcome(3, 1, kind, reason="killed: it did not stop"))
    assert outbox.sweep() == [RESULT]
    outbox.write(Outcome(4, 1, kind, reason="its own word"))
    outbox.acknowledge(Outcome(4, 1, kind, reason="killed: it did not stop"))
    assert outbox.sweep() == [RESULT]


def test_sweeping_a_folder_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert Outbox(tmp_path / "nowhere").sweep() == []
    assert Outbox(tmp_path / "nowhere").alive() == []


def test_a_flipped_bit_is_told_and_moved_aside(outbox: Outbox) -> None:
    outbox.write(RESULT)
    path = outbox.path(3, 1)
    sound = path.read_bytes()
    for place in range(len(sound)):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        warn: list[str] = []
        assert outbox.sweep(warn) in ([], [RESULT])
        if not path.exists():
            assert len(warn) == 1 and str(path) in warn[0]
            assert (outbox.folder / "broken" / path.name).exists()


@given(st.binary(max_size=200))
def test_rubbish_never_crashes_the_sweep(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    outbox = Outbox(tmp_path_factory.mktemp("outbox"))
    outbox.path(1, 1).write_bytes(data)
    outbox.path(2, 1).write_bytes(b"[" * 100_000)
    warn: list[str] = []
    assert outbox.sweep(warn) == []
    assert len(warn) == 2


def test_a_result_under_another_trials_name_is_refused(outbox: Outbox) -> None:
    outbox.write(RESULT)
    os.rename(outbox.path(3, 1), outbox.path(4, 1))
    warn: list[str] = []
    assert outbox.sweep(warn) == []
    assert "speaks of trial 3" in warn[0]


@pytest.mark.parametrize("place", ["outbox.before_write", "outbox.before_rename"])
def test_before_the_rename_there_is_nothing_and_the_draft_goes(outbox: Outbox, place: str) -> None:
    failpoint.arm(f"{place}:1:raise")
    with pytest.raises(OSError, match=place):
        outbox.write(RESULT)
    assert outbox.sweep() == []
    assert list(outbox.folder.iterdir()) == []


def test_after_the_rename_the_result_is_there(outbox: Outbox) -> None:
    failpoint.arm("outbox.after_rename:1:raise")
    with pytest.raises(OSError, match=r"outbox\.after_rename"):
        outbox.write(RESULT)
    assert outbox.sweep() == [RESULT]


def test_a_draft_that_someone_is_writing_is_left(outbox: Outbox) -> None:
    draft = outbox.path(5, 1).with_suffix(".draft")
    draft.write_text("half")
    with outbox.running(5, 1):
        assert outbox.sweep() == []
        assert draft.exists()
    assert outbox.sweep() == []
    assert not draft.exists()


# -- the lock -----------------------------------------------------------------------------------


def test_alive_while_held_and_gone_afterwards(outbox: Outbox) -> None:
    with outbox.running(7, 2):
        assert outbox.alive() == [(7, 2)]
        assert not outbox.locks.void(7, 2)
    assert outbox.alive() == []
    assert list(outbox.folder.iterdir()) == []


def test_an_attempt_runs_once_at_a_time(outbox: Outbox) -> None:
    with (
        outbox.running(7, 2),
        pytest.raises(AttemptTaken, match=f"pid {os.getpid()}"),
        outbox.running(7, 2),
    ):
        pass


def test_a_void_attempt_never_starts(outbox: Outbox) -> None:
    assert outbox.locks.void(7, 2)
    assert outbox.locks.void(7, 2)
    assert outbox.alive() == []
    with pytest.raises(AttemptTaken, match="void"), outbox.running(7, 2):
        pass
    with outbox.running(7, 3):
        pass


HOLD = """
import sys
from pathlib import Path
from matscout.fleet.outbox import Outbox
with Outbox(Path(sys.argv[1])).running(1, 1):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_is_free(outbox: Outbox) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(outbox.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert outbox.alive() == [(1, 1)]
        assert not outbox.locks.void(1, 1)
        process.kill()
    assert outbox.alive() == []
    assert list(outbox.folder.iterdir()) == [], "what the dead left is cleared away"
    assert outbox.locks.void(1, 1)


def contend(folder: Path, attempts: int) -> list[int]:
    """Try to run each attempt; those that were ours."""
    won = []
    for attempt in range(attempts):
        try:
            with AttemptLocks(folder).hold(1, attempt):
                if not (folder / f"done-{attempt}").exists():
                    (folder / f"done-{attempt}").touch()
                    won.append(attempt)
        except AttemptTaken:
            continue
    return won


def test_rivals_never_run_the_same_attempt_together(tmp_path: Path) -> None:
    """And a driver that looks on does not make a worker believe that there is a rival."""
    with multiprocessing.get_context("fork").Pool(4) as pool:
        running = [pool.apply_async(contend, (tmp_path, 150)) for _ in range(4)]
        while not all(r.ready() for r in running):
            AttemptLocks(tmp_path).alive()
        won = sorted(attempt for r in running for attempt in r.get())
    assert won == list(range(150))


def test_what_cannot_be_looked_at_is_neither_forgotten_nor_called_broken(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a file descriptor: a made-up ending must not take the place of the worker's own."""
    outbox.write(RESULT)
    made_up = Outcome(3, 1, Kind.CRASHED, reason="the worker died: SIGKILL")

    def short(path: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("matscout.fleet.outbox.read_bounded", short)
        with pytest.raises(OSError, match="Too many open files"):
            outbox.read(3, 1)
        with pytest.raises(OSError, match="Too many open files"):
            outbox.sweep()
        outbox.acknowledge(made_up)
    assert outbox.sweep() == [RESULT]
