"""A log that can no longer be written takes no experiment along: the run goes on without it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from matscout.cli.progress import Progress
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.journal import Journal
from matscout.runfolder import RunFolder

COMMAND = [sys.executable, "-m", "matscout"]


def _dead_pipe() -> int:
    """To write to, where nobody reads any more: what a `tee` leaves that was killed."""
    read, write = os.pipe()
    os.close(read)
    return write


def _full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


LOGS = pytest.mark.parametrize("log", [_dead_pipe, _full_disk])


def run(home: Path, stderr: int, *words: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": ":".join([str(home), *sys.path])}
    try:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    finally:
        os.close(stderr)
    return done.returncode, done.stdout


@LOGS
def test_a_run_ends_as_with_a_log(home: Path, log: Callable[[], int]) -> None:
    code, out = run(home, log(), "sweep", "first.toml")
    assert code == 0 and "8 complete" in out
    with Journal.read_only(RunFolder.of("first", home / "results" / "runs")) as journal:
        history = History(journal.read())
    assert len(history.completed) == 8 and history.stopped == "budget of 8 trials used"


@LOGS
def test_a_mistake_keeps_its_exit_code(home: Path, log: Callable[[], int]) -> None:
    assert run(home, log(), "sweep", "nowhere.toml")[0] == 2


def test_nobody_reads_to_the_end(home: Path) -> None:
    """`matscout … | head`: what is printed at last was done before."""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), "PYTHONUNBUFFERED": ""}
    stdout = _dead_pipe()
    done = subprocess.run(
        [*COMMAND, "spaces"], cwd=home, env=environment, stdout=stdout, stderr=subprocess.PIPE
    )
    os.close(stdout)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_bar_on_a_terminal_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    history = History([Event(EventKind.CREATED, body={"targets": [{"name": "y"}]})])
    history.apply(Event(EventKind.ASKED, 0, body={"params": {"x": 1.0}}))
    failed = Event(EventKind.FAILED, 0, 1, {"reason": "the lamp went out"})
    history.apply(failed)
    terminal = open(theirs, "w", buffering=1)  # noqa: SIM115 - its close fails, too
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress(1) as progress:
        os.close(ours)
        with pytest.raises(OSError):
            print("anybody there?", file=terminal, flush=True)
        progress.event(failed, history)
        progress.note("paused")
    monkeypatch.undo()
    with suppress(OSError):
        terminal.close()
