"""A sweep with early stopping, its driver killed with SIGKILL again and again, is the unbroken one (R5).

Trials are judged, stopped and thawed by what the journal says; checkpoints are real, workers are
processes. One worker, so that there is one order of completion to compare; with two, whatever
order there was, every word in the journal must follow from those before it.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from matscout.cli import registry
from matscout.cli.assemble import proposer_of_run
from matscout.drive.config import Part
from matscout.drive.run import load
from matscout.event import EventKind
from matscout.history import History
from matscout.journal import Journal
from matscout.runfolder import RunFolder
from matscout.seeds import ask_seed
from matscout.trial import State

CONFIG = """
name = "swept"
seed = 11
[space.parameters]
x = {{ type = "float", low = 0.0, high = 1.0 }}
[[targets]]
name = "y"
direction = "min"
[evaluator]
type = "function"
target = "trainer:train"
[proposer]
type = "tpe"
startup = 6
[early_stopping]
{pruner}
[run]
trials = {trials}
workers = {workers}
"""

# Saves after every step, and says all that it had said when it is taken up again. Between the last
# step and the value it listens for a while: whether a trial that is to be stopped there comes to its
# end all the same would else be a matter of milliseconds.
TRAINER = """
import math, time
from matscout.checkpoint import Checkpoint
from matscout.trial import Measurement, Report

STEPS = 9

def value(x, step):
    return 0.3 * x + 0.3 / step + math.sin(1e4 * x + 78.233 * step) ** 2

def train(params, context):
    found = context.checkpoints.load([])
    done = found.step if found else 0
    for step in range(1, STEPS + 1):
        if step > done:
            if context.should_stop():
                return
            time.sleep(0.01)
            context.checkpoints.save(Checkpoint(step=step, arrays={}, state={}))
        yield Report(step, {"y": value(params["x"], step)}, checkpoint=True)
    for _ in range(100):
        if context.should_stop():
            return
        time.sleep(0.01)
    yield Measurement({"y": value(params["x"], STEPS)})
"""

PRUNERS = {
    "asha": 'type = "asha"',
    "hyperband": 'type = "hyperband"\nmax_step = 9',
    "wilcoxon": 'type = "wilcoxon"\np = 0.2\nreports = "fold"',
    "asha-thaw": 'type = "asha"\nthaw = true',
    "hyperband-thaw": 'type = "hyperband"\nmax_step = 9\nthaw = true',
}
OFTEN = ("journal.before_commit", "journal.after_commit", "journal.after_head", "loop.before_acknowledge")  # fmt: skip
SELDOM = ("loop.before_asked", "loop.after_asked", "loop.before_submit", "loop.after_thawed")


def home(path: Path, pruner: str, trials: int, workers: int = 1) -> Path:
    path.mkdir()
    text = CONFIG.format(pruner=PRUNERS[pruner], trials=trials, workers=workers)
    (path / "c.toml").write_text(text)
    (path / "trainer.py").write_text(TRAINER)
    return path


def matscout(home: Path, *words: str, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MATSCOUT_FAILPOINT": failpoint, "PYTHONPATH": str(home)}
    command = [sys.executable, "-m", "matscout", *words]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)


def swept(home: Path) -> RunFolder:
    done = matscout(home, "sweep", "c.toml")
    assert done.returncode == 0, done.stderr
    return RunFolder(home / "results" / "runs" / "swept")


def killed(home: Path, kills: int, seed: int) -> RunFolder:
    """The sweep, killed so many times at places drawn from `seed`, then left to its end."""
    rng, died = random.Random(seed), 0
    while died < kills:
        often = rng.random() < 0.7
        place = rng.choice(OFTEN if often else SELDOM)
        count = rng.randint(3, 9) if often else rng.randint(1, 2)
        begun = (home / "results").exists()
        words = ("resume", "swept") if begun else ("sweep", "c.toml")
        done = matscout(home, *words, failpoint=f"{place}:{count}:kill")
        assert done.returncode == -9, f"over after {died} kills ({place}): {done.stderr}"
        died += 1
    last = matscout(home, "resume", "swept")
    assert last.returncode == 0, last.stderr
    return RunFolder(home / "results" / "runs" / "swept")


def story(folder: RunFolder) -> list[Any]:
    """Of each trial what was suggested and why, all that it reported, how it ended and why."""
    history, _ = load(folder)
    return [
        (dict(t.params), dict(t.why), t.state, t.reason, dict(t.values), [(r.step, dict(r.values)) for r in t.reports])
        for t in history.trials
    ]  # fmt: skip


def verdicts(folder: RunFolder) -> list[tuple[str, int | None, str]]:
    """Every prune and every thaw, in their order."""
    with Journal.read_only(folder) as journal:
        told = [e for e in journal.read() if e.kind in (EventKind.PRUNED, EventKind.THAWED)]
    return [(e.kind.value, e.trial, e.body["reason"]) for e in told]


def audit(folder: RunFolder) -> Counter[EventKind]:
    """Every verdict, thaw and suggestion in the journal, worked out again from what stands before it."""
    _, spec = load(folder)
    part = Part(**spec.config["early_stopping"])
    pruner = registry.pruner(part)
    thaw, proposer = registry.thaw(part, pruner), proposer_of_run(spec)
    assert pruner is not None
    past, sentence, heard = History(), dict[int, str](), Counter[int]()
    seen = Counter[EventKind]()
    with Journal.read_only(folder) as journal:
        events = list(journal.read())
    for event in events:
        trial, kind = event.trial, event.kind
        seen[kind] += 1
        if kind is EventKind.ASKED:
            seed = ask_seed(spec.seed, len(past.trials))
            (again,) = proposer.propose(spec.space, past, 1, seed=seed)
            assert dict(again.params) == dict(event.body["params"]), event
        if kind is EventKind.THAWED:
            assert thaw is not None
            due = thaw(past)
            assert past.count_asked == spec.policy.trials, "new trials come first"
            assert due is not None and (due.trial, due.body) == (trial, event.body)
        if kind is EventKind.PRUNED:
            assert trial is not None and sentence.pop(trial) == event.body["reason"]
        if kind is EventKind.MEASURED:
            sentence.pop(trial or 0, None)  # it was done before it heard: no value is thrown away
        past.apply(event)
        if kind is EventKind.REPORTED:
            assert trial is not None and trial not in sentence, "nothing counts after a sentence"
            assert event.body["step"] == heard[trial] + 1, "no report is lost, none said twice"
            heard[trial] += 1
            if reason := pruner.verdict(past, past.trials[trial]):
                sentence[trial] = reason
    assert not sentence, "no kill is an amnesty"
    assert thaw is None or thaw(past) is None, "none is left that would go on"
    return seen


def compared(tmp_path: Path, pruner: str, trials: int, kills: int) -> Counter[EventKind]:
    unbroken = swept(home(tmp_path / "unbroken", pruner, trials))
    broken = killed(home(tmp_path / "killed", pruner, trials), kills, seed=kills)
    assert story(broken) == story(unbroken) and verdicts(broken) == verdicts(unbroken)
    states = {state for _, _, state, *_ in story(unbroken)}
    assert states == {State.PRUNED, State.COMPLETE}
    assert audit(broken)[EventKind.OPENED] >= kills
    return audit(unbroken)


def test_killed_a_few_times(tmp_path: Path) -> None:
    assert compared(tmp_path, "asha-thaw", trials=14, kills=4)[EventKind.THAWED] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("pruner", PRUNERS)
def test_killed_twenty_times(tmp_path: Path, pruner: str) -> None:
    seen = compared(tmp_path, pruner, trials=40, kills=20)
    assert seen[EventKind.PRUNED] >= 8
    assert seen[EventKind.THAWED] or pruner != "asha-thaw"


@pytest.mark.slow
def test_with_two_workers_all_follows_from_what_stands_before(tmp_path: Path) -> None:
    folder = killed(home(tmp_path / "killed", "asha-thaw", trials=40, workers=2), 8, seed=2)
    seen = audit(folder)
    assert seen[EventKind.PRUNED] >= 8 and seen[EventKind.THAWED] and seen[EventKind.OPENED] >= 8
