"""A real sweep in processes of its own, killed with SIGKILL at each named place, and resumed (R1, R2)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from matscout.cli.promises.promise import Setting
from matscout.cli.promises.r01_places import struck, swept
from matscout.failpoint import NAMES

OFTEN = ("journal.before_commit", "loop.after_asked", "outbox.after_rename", "worker.before_report")
"""In every change; the others in a full run, and some of them by lot in test_r01_kill.py."""


@pytest.mark.parametrize(
    "place", [p if p in OFTEN else pytest.param(p, marks=pytest.mark.slow) for p in NAMES]
)
def test_killed_there_nothing_is_lost_or_doubled(tmp_path: Path, place: str) -> None:
    assert struck(Setting(tmp_path, 1), tmp_path / "home", place, random.Random(1)) == []


QUEUE = "ahead = 2"


@pytest.mark.parametrize(
    "place,run",
    [
        ("loop.after_queued", QUEUE),
        pytest.param("loop.after_asked", QUEUE, marks=pytest.mark.slow),
        pytest.param("journal.after_commit", QUEUE, marks=pytest.mark.slow),
        pytest.param("loop.before_acknowledge", QUEUE, marks=pytest.mark.slow),
        pytest.param("loop.after_asked", f"{QUEUE}\noverlap = true", marks=pytest.mark.slow),
        pytest.param("journal.after_commit", f"{QUEUE}\noverlap = true", marks=pytest.mark.slow),
    ],
)
def test_what_waits_in_a_queue_is_begun_once(tmp_path: Path, place: str, run: str) -> None:
    """Whoever put it there, and also where the next queue was being thought out."""
    assert swept(Setting(tmp_path, 1), tmp_path / "home", f"{place}:5:kill", 3, run=run) == []
