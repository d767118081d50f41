"""Who has the lock, told at the moment in which it changes hands (R14)."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from matscout import owner
from matscout.errors import InputError
from matscout.owner import Owner, current_owner


@pytest.fixture
def held(tmp_path: Path) -> Iterator[IO[str]]:
    """A lock that another has just taken, without a word so far of who that is."""
    with open(tmp_path / "lock", "w+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def say(file: IO[str], pid: int, host: str = socket.gethostname()) -> None:
    file.seek(0)
    file.truncate()
    json.dump({"host": host, "pid": pid}, file)
    file.flush()


def a_dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("before", ["nothing", "the last owner, who is dead", "rubbish"])
def test_the_owner_is_named_once_it_has_said_who_it_is(
    held: IO[str], monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    if before == "rubbish":
        held.write('{"host": "v')
        held.flush()
    elif before != "nothing":
        say(held, a_dead_pid())
    monkeypatch.setattr(owner.time, "sleep", lambda _: say(held, os.getpid()))
    with pytest.raises(InputError, match=f"host {socket.gethostname()}, process {os.getpid()};"):
        Owner.take(Path(held.name))


def test_a_lock_that_is_let_go_meanwhile_is_taken(
    held: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that asks who drives holds it for a moment; so does a driver that is just dying."""
    say(held, a_dead_pid())
    monkeypatch.setattr(owner.time, "sleep", lambda _: fcntl.flock(held, fcntl.LOCK_UN))
    mine = Owner.take(Path(held.name))
    assert current_owner(Path(held.name)) == f"host {socket.gethostname()}, process {os.getpid()}"
    mine.release()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"host": "h", "pid": null}'])
def test_one_that_never_says_is_another_process(
    held: IO[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(owner, "_TELLS_S", 0.0)
    held.write(text)
    held.flush()
    with pytest.raises(InputError, match="another process"):
        Owner.take(Path(held.name))


def test_an_owner_on_another_host_is_not_waited_for(
    held: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say(held, 1, host="elsewhere")
    monkeypatch.setattr(owner.time, "sleep", lambda _: pytest.fail("waited"))
    with pytest.raises(InputError, match="host elsewhere, process 1"):
        Owner.take(Path(held.name))


def test_who_lets_go_leaves_no_name(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    mine = Owner.take(path)
    assert str(os.getpid()) in path.read_text()
    mine.release()
    mine.release()
    assert path.read_text() == "" and current_owner(path) == ""
    Owner.take(path).release()
