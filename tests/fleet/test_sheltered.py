"""What was measured is kept, whoever is asked to end at that moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from matscout.fleet.outbox import Outbox
from matscout.fleet.sheltered import sheltered
from matscout.outcome import Kind

# A worker that is told to end when its experiment is over and nothing of it is on the disk.
WORKER = """
import os, signal, sys
from pathlib import Path
from matscout import failpoint
from matscout.clock import SystemClock
from matscout.evaluate.bad_lab import ByOrder
from matscout.fleet.worker import run_attempt
from matscout.outcome import Assignment
from matscout.runfolder import RunFolder
from matscout.trial import Target

def told(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGTERM)

class Tidy(ByOrder):
    def evaluate(self, params, context):
        try:
            yield from super().evaluate(params, context)
        finally:
            told("cleaning up")

with failpoint.watched(told):
    run_attempt(
        Tidy(costly=True), Assignment(0, 1, {"do": "measure", "x": 4.0}, None, 7),
        (Target("y"),), RunFolder(Path(sys.argv[1])), lambda outcome: None, lambda: False,
    )
print("still here")
"""


@pytest.mark.parametrize(
    "place", ["cleaning up", "outbox.before_write", "file.before_fsync", "outbox.before_rename"]
)
def test_a_worker_asked_to_end_first_puts_its_result_into_the_outbox(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "outbox").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(tmp_path), place], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGTERM and done.stdout == "", done.stderr
    (kept,) = Outbox(tmp_path / "outbox").sweep()
    assert kept.kind is Kind.MEASURED and kept.values == {"y": 4.0}


def test_whoever_answers_the_signal_answers_afterwards() -> None:
    said: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: said.append("heard"))
    try:
        with sheltered():
            os.kill(os.getpid(), signal.SIGTERM)
            said.append("over")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert said == ["over", "heard"]


def test_none_of_two_is_forgotten() -> None:
    said: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: said.append(signum))
    try:
        with sheltered():
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(said) == 2


def test_another_thread_changes_nothing() -> None:
    before, inside = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with sheltered():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]
