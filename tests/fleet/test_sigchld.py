"""Started where SIGCHLD is ignored, as some supervisors do: nobody would learn how a process ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from matscout.history import History
from matscout.journal import Journal
from matscout.runfolder import RunFolder
from matscout.trial import State

ARGV = ["/bin/sh", "-c", "echo 1.5 > $0; echo wrecked >&2; exit 1", "{result}", "{params}"]

CONFIG = f"""
name = "wreck"
space.parameters = {{ x = {{ type = "float", low = 0.0, high = 1.0 }} }}
targets = [{{ name = "y", direction = "min" }}]
evaluator = {{ type = "command", argv = {ARGV} }}
proposer.type = "sobol"
run = {{ trials = 1, workers = 1, fleet = "FLEET" }}
"""

LIBRARY = f"""
import sys
from functools import partial
from pathlib import Path
from matscout.evaluate.command import CommandEvaluator
from matscout.fleet.process import ProcessFleet
from matscout.outcome import Assignment
from matscout.runfolder import RunFolder
from matscout.trial import Target

folder = RunFolder(Path(sys.argv[1]))
fleet = ProcessFleet(partial(CommandEvaluator, {ARGV}), (Target("y"),), folder, slots=1)
fleet.submit(Assignment(0, 1, {{}}))
heard = []
while not any(outcome.ends_attempt for outcome in heard):
    heard += fleet.poll(0.25)
fleet.close()
print(heard[-1].kind.value, heard[-1].reason)
"""


def ignoring(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Python with these words, and with SIGCHLD ignored from the first."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=cwd,
            env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGCHLD, before)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.parametrize("fleet", ["inline", "process"])
def test_a_failed_experiment_is_not_taken_for_a_measured_one(tmp_path: Path, fleet: str) -> None:
    (tmp_path / "wreck.toml").write_text(CONFIG.replace("FLEET", fleet))
    done = ignoring(["-m", "matscout", "sweep", "wreck.toml"], tmp_path)
    with Journal.read_only(RunFolder.of("wreck", tmp_path / "results" / "runs")) as journal:
        (trial,) = History(journal.read()).trials
    assert (trial.state, trial.reason) == (State.FAILED, "wrecked"), done.stderr


def test_nor_by_the_workers_of_a_program_of_the_users(tmp_path: Path) -> None:
    done = ignoring(["-c", LIBRARY, str(tmp_path)], tmp_path)
    assert (done.stdout, done.returncode) == ("failed wrecked\n", 0), done.stderr
