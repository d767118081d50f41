"""How long a run of 10,000 trials takes to open: every record checked, the history folded (R13)."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from matscout.drive.policy import Policy
from matscout.drive.run import RunSpec, create, reopen, versions
from matscout.event import Event, EventKind
from matscout.journal import Journal
from matscout.parameter import Float
from matscout.propose.sobol import SobolProposer
from matscout.runfolder import RunFolder
from matscout.space import Space
from matscout.trial import Target

TRIALS = 10_000
_REPORTS = 7
_BLOCK = 500
_SPACE = Space((Float("x", 0.0, 1.0), Float("z", 1e-4, 1.0, log=True)))


def history(repeats: int) -> dict[str, Any]:
    """Seconds to reopen, and to the first suggestion after it, medians over `repeats`."""
    with tempfile.TemporaryDirectory(prefix="matscout-bench-") as scratch:
        folder, events = written(Path(scratch), TRIALS)
        opened, suggested = [], []
        for _ in range(repeats):
            start_s = time.perf_counter()
            journal, known, spec = reopen(folder)
            opened.append(time.perf_counter() - start_s)
            SobolProposer().propose(spec.space, known, 1, seed=0)
            suggested.append(time.perf_counter() - start_s)
            journal.close()
    return {
        "command": f"matscout bench history --repeats {repeats}",
        "trials": TRIALS,
        "events": events,
        "open_s": round(statistics.median(opened), 3),
        "first_suggestion_s": round(statistics.median(suggested), 3),
        "rounds": {"open_s": [round(v, 3) for v in opened]},
        "cores": os.cpu_count(),
        "versions": versions(),
    }


def table(result: dict[str, Any]) -> str:
    """The result for a person."""
    return (
        f"{result['trials']} trials, {result['events']} events: open and verify {result['open_s']} s, "
        f"first (Sobol) suggestion after {result['first_suggestion_s']} s"
    )


def written(runs: Path, trials: int) -> tuple[RunFolder, int]:
    """A run of so many trials (a multiple of 500) below `runs`, and how many events it has: ten each."""
    folder = RunFolder.of("bench", runs)
    create(folder, RunSpec("bench", "sweep", _SPACE, (Target("y"),), Policy(trials=2 * trials)))
    with Journal.open(folder) as journal:
        for start in range(0, trials, _BLOCK):
            journal.append(*(e for t in range(start, start + _BLOCK) for e in _life(t)))
        return folder, journal.last_seq


def _life(trial: int) -> list[Event]:
    """Ten events, as a trainer that reports seven times leaves them."""
    x = (trial * 0.6180339887498949) % 1.0
    params = {"x": x, "z": 1e-4 + x / 2}
    asked = {"params": params, "candidate": None, "proposer": "tpe", "why": {"rule": "tpe"}}
    measured = {"values": {"y": x}, "sem": {}, "cost_s": 1.0, "source": "", "worker": "ray-0"}
    return [
        Event(EventKind.ASKED, trial, body=asked),
        Event(EventKind.DISPATCHED, trial, 1),
        *(
            Event(EventKind.REPORTED, trial, 1, {"step": step + 1, "values": {"y": x / (step + 1)}})
            for step in range(_REPORTS)
        ),
        Event(EventKind.MEASURED, trial, 1, measured),
    ]
