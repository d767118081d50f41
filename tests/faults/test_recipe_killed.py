"""A recipe whose process is killed with SIGKILL in the third outer fold, three times, and begun again
after each, says what an unbroken one says: same choices, same figures, same card (R5).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matscout.drive.run import load
from matscout.event import EventKind
from matscout.journal import Journal
from matscout.runfolder import RunFolder

SPACE = Path(__file__).parents[2] / "search_spaces" / "small_table.toml"
WORDS = ["sweep", str(SPACE), "--data", "t.csv", "--target", "y", "--outer", "3", "--trials", "4",
         "--workers", "1", "--fleet", "inline", "--name", "few", "--json"]  # fmt: skip
CHILD = """
import os, signal, sys
from pathlib import Path
from matscout import failpoint
from matscout.cli.app import main

place, left = sys.argv[1], int(sys.argv[2])
third = Path("results/runs/few-outer-3/journal.db")

def watch(name):
    global left
    if name == place and third.exists():
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

with failpoint.watched(watch):
    main(sys.argv[3:])
"""
DEATHS = (("loop.after_asked", 1), ("journal.after_commit", 6), ("outbox.after_rename", 2))
"""Where, and the how manieth time in the third fold: before the first trial, in the midst of one, and
with the ending of another in the outbox alone."""


def started(home: Path, place: str = "nowhere", times: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, place, str(times), *WORDS],
        cwd=home, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=900, check=False,
    )  # fmt: skip


def timeless(said: Any) -> Any:
    """Without what a clock has said, and the folder."""
    if isinstance(said, dict):
        kept = {k: v for k, v in said.items() if k not in ("seconds", "costs", "cards")}
        return {k: timeless(v) for k, v in kept.items()}
    return [timeless(one) for one in said] if isinstance(said, list) else said


def left_by(home: Path) -> dict[str, Any]:
    """Every sweep's trials, what it chose and scored, and the card."""
    runs = home / "results" / "runs"
    found: dict[str, Any] = {}
    for path in sorted(runs.glob("*/*.json")):
        if path.name in ("outer.json", "members.json"):
            text = path.read_text().replace(str(home), "")
            found[str(path.relative_to(runs))] = timeless(json.loads(text))
    for run in ("few-outer-1", "few-outer-2", "few-outer-3", "few"):
        history, _ = load(RunFolder(runs / run))
        found[run] = [(t.state, dict(t.params), dict(t.values)) for t in history.trials]
    card = (runs / "few" / "card.md").read_text()
    found["card"] = re.sub(r"\d+ seconds|\d+-\d\d-\d\d \d\d:\d\d", "", card)
    return found


def sittings(folder: RunFolder) -> int:
    with Journal.read_only(folder) as journal:
        return sum(event.kind is EventKind.OPENED for event in journal.read())


@pytest.mark.slow
def test_killed_in_the_third_fold_and_begun_again_it_says_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = x @ [3.0, 1.0] + 0.3 * rng.normal(size=60)
    rows = [f"{a!r},{b!r},{v!r}" for (a, b), v in zip(x.tolist(), y.tolist(), strict=True)]
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    for home in (unbroken, broken):
        home.mkdir()
        (home / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    whole = started(unbroken)
    assert whole.returncode == 0, whole.stderr
    third = RunFolder(broken / "results" / "runs" / "few-outer-3")
    known = 0
    for place, times in DEATHS:
        died = started(broken, place, times)
        assert died.returncode == -signal.SIGKILL, (place, died.stderr)
        assert third.holds_run and not (third.root / "outer.json").exists()
        assert (third.root.parent / "few-outer-2" / "outer.json").exists()
        with Journal.read_only(third) as journal:
            seq = len(list(journal.read()))
        assert seq > known, "each death is further on"
        known = seq
    again = started(broken)
    assert again.returncode == 0, again.stderr
    assert sittings(third) == len(DEATHS) + 1
    assert timeless(json.loads(again.stdout)) == timeless(json.loads(whole.stdout))
    assert left_by(broken) == left_by(unbroken)
