"""A real sweep in processes of its own, killed with SIGKILL at named places, and resumed (R1, R2)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from matscout.drive.run import load
from matscout.journal import Journal
from matscout.runfolder import RunFolder

CONFIG = """
name = "killed"
seed = 3
[space.parameters]
x = { type = "float", low = 0.0, high = 1.0 }
[[targets]]
name = "y"
direction = "min"
[evaluator]
type = "function"
target = "ledger_oracle:measure"
[proposer]
type = "sobol"
[run]
trials = 12
workers = 2
fleet = "process"
"""

# An oracle that keeps a ledger of its own: what was really done, whatever we say.
ORACLE = """
import os

def measure(params):
    ledger = os.open("ledger.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{params['x']!r}\\n".encode())
    os.close(ledger)
    return params["x"] ** 2
"""

DRIVER = (
    "journal.before_commit journal.after_commit loop.after_asked loop.before_acknowledge".split()
)
DRIVER_FULL = "journal.after_head loop.before_asked loop.before_submit".split()
WORKER = "outbox.after_rename worker.before_report".split()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "c.toml").write_text(CONFIG)
    (tmp_path / "ledger_oracle.py").write_text(ORACLE)
    return tmp_path


def matscout(home: Path, *words: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MATSCOUT_FAILPOINT": failpoint, "PYTHONPATH": str(home)}
    command = [sys.executable, "-m", "matscout", *words]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)


def check(home: Path) -> None:
    """Every experiment is in the journal once, with the value that the ledger saw."""
    folder = RunFolder(home / "results" / "runs" / "killed")
    history, _ = load(folder)
    ledger = Counter((home / "ledger.txt").read_text().split())
    measured = Counter(repr(t.params["x"]) for t in history.completed)
    assert len(history.completed) == 12
    assert measured == ledger, "lost or doubled"
    assert all(t.values["y"] == t.params["x"] ** 2 and not t.replicates for t in history.completed)
    assert not list(folder.outbox.glob("*.json"))
    with Journal.read_only(folder) as journal:
        assert journal.verify().notes == ()


@pytest.mark.parametrize(
    "place", [*DRIVER, *(pytest.param(p, marks=pytest.mark.slow) for p in DRIVER_FULL)]
)
def test_the_driver_dies(home: Path, place: str) -> None:
    """Twice, at the 5th and again at the 9th time the place is passed."""
    first = matscout(home, "sweep", "c.toml", failpoint=f"{place}:5:kill")
    assert first.returncode == -9, first.stderr
    second = matscout(home, "resume", "killed", failpoint=f"{place}:9:kill")
    assert second.returncode in (0, -9), second.stderr
    last = matscout(home, "resume", "killed")
    assert last.returncode == 0, last.stderr
    check(home)


@pytest.mark.parametrize("place", WORKER)
def test_a_worker_dies_after_its_result_is_in_the_outbox(home: Path, place: str) -> None:
    """The acknowledgement is cut off; the finished experiment is taken from the outbox, once."""
    done = matscout(home, "sweep", "c.toml", failpoint=f"{place}:2:kill")
    assert done.returncode == 0, done.stderr
    check(home)


@pytest.mark.parametrize(
    "place",
    [
        "loop.after_queued",
        pytest.param("loop.after_asked", marks=pytest.mark.slow),
        pytest.param("journal.after_commit", marks=pytest.mark.slow),
        pytest.param("loop.before_acknowledge", marks=pytest.mark.slow),
    ],
)
def test_the_driver_dies_with_a_queue(home: Path, place: str) -> None:
    """What waits in the queue is begun once, whoever put it there."""
    (home / "c.toml").write_text(CONFIG + "ahead = 2\n")
    test_the_driver_dies(home, place)


@pytest.mark.parametrize(
    "place",
    [
        "loop.thinking",
        "loop.after_asked",
        "journal.after_commit",
    ],
)
@pytest.mark.slow
def test_the_driver_dies_in_mid_thought(home: Path, place: str) -> None:
    """The next queue was being thought out in the background."""
    (home / "c.toml").write_text(CONFIG + "ahead = 2\noverlap = true\n")
    test_the_driver_dies(home, place)
