"""R18: yesterday's journals open today, tomorrow's are left alone, and looking needs no Ray."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from matscout.cli.promises.promise import SQLITE, Figure, Promise, Setting
from matscout.cli.promises.tally import Tally
from matscout.drive.run import load, reopen
from matscout.errors import InputError
from matscout.event import SCHEMA, Event, EventKind
from matscout.fleet.pinned import python_path
from matscout.journal import Journal
from matscout.runfolder import RunFolder

ASSETS = Path(__file__).parents[4] / "tests" / "assets"
"""Journals that each past version left, in a checkout."""

# verify, export and status, in an interpreter in which nobody can import ray.
_LOOK = """
import sys
sys.modules["ray"] = None
from pathlib import Path
from matscout.cli.show import export, status, verify
run, runs = sys.argv[1], Path(sys.argv[2])
verify(run, runs, False)
status(run, runs, True)
export(run, runs, Path(sys.argv[3]), "csv", False)
"""


def keep(setting: Setting) -> Figure:
    past = sorted(ASSETS.glob("journal-*"))
    if not past:
        raise InputError(str(ASSETS), "has no journals of past versions", "play R18 in a checkout")
    tally = Tally()
    for number in range(setting.rounds):
        draw = random.Random(f"{setting.seed} {number}")
        asset = past[number % len(past)]
        folder = setting.folder / f"{number:03d}"
        folder.mkdir()
        problem = _looked_at(_copy(asset, folder / "look"))
        problem = problem or _gone_on_with(_copy(asset, folder / "go-on"))
        problem = problem or _newer(_copy(asset, folder / "newer"), draw)
        tally.round(f"{number} ({asset.name})", problem)
    done = (
        f"the journals of schemas 1 to {len(past)}, read by schema {SCHEMA}; one newer event each"
    )
    return tally.figure(done)


def _copy(asset: Path, runs: Path) -> RunFolder:
    shutil.copytree(asset, runs / asset.name)
    folder = RunFolder(runs / asset.name)
    folder.outbox.mkdir(exist_ok=True)
    return folder


def _looked_at(folder: RunFolder) -> str:
    before = _bytes(folder)
    table = folder.root.parent / "table.csv"
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, folder.name, str(folder.root.parent), str(table)],
        env={**os.environ, "PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or done.stderr:
        return f"verify, status or export without ray: {done.stderr.strip()[-300:]}"
    if not table.read_text().startswith("trial,"):
        return "the exported table is none"
    return "" if _bytes(folder) == before else "looking changed the run"


def _gone_on_with(folder: RunFolder) -> str:
    rows = _rows(folder)
    first, _ = load(folder)
    journal, history, _ = reopen(folder)
    with journal:
        pending = history.pending[-1]
        done = Event(EventKind.MEASURED, pending.id, pending.attempts, {"values": {"y": 1.0}})
        for event in journal.append(done):
            history.apply(event)
    after = _rows(folder)
    if after[: len(rows)] != rows or len(after) != len(rows) + 1:
        return "going on rewrote what stood there"
    if len(first.completed) + 1 != len(history.completed):
        return "what was added is not in the history"
    with Journal.read_only(folder) as journal:
        return "" if journal.verify().events == len(after) else "an event is missing"


def _newer(folder: RunFolder, draw: random.Random) -> str:
    """One event, anywhere, of a version that is not known yet: the whole run is refused."""
    seq = draw.randint(1, len(_rows(folder)))
    raw = sqlite3.connect(folder.journal)
    with raw:
        raw.execute("UPDATE events SET schema = ? WHERE seq = ?", (SCHEMA + 1, seq))
    raw.close()
    before = _bytes(folder)
    for opening in (reopen, load):
        try:
            opening(folder)
            return f"event {seq} of schema {SCHEMA + 1} was read"
        except InputError as error:
            if "newer matscout" not in str(error):
                return f"refused without saying why: {error}"
    return "" if _bytes(folder) == before else "a newer journal was changed"


def _rows(folder: RunFolder) -> list[tuple[object, ...]]:
    raw = sqlite3.connect(folder.journal)
    try:
        return raw.execute("SELECT * FROM events ORDER BY seq").fetchall()
    finally:
        raw.close()


def _bytes(folder: RunFolder) -> dict[str, bytes]:
    """All that is recorded there: not the lock, which says who looked last, nor the index that SQLite
    makes of its log for readers, nor a log without a byte in it."""
    passing = (folder.lock.name, f"{folder.journal.name}-shm")
    files = (p for p in sorted(folder.root.rglob("*")) if p.is_file() and p.name not in passing)
    return {str(p.relative_to(folder.root)): data for p in files if (data := p.read_bytes())}


PROMISE = Promise(
    id="R18",
    said="A journal of version n opens in n+1; a newer one is refused untouched; verify and export "
    "need no Ray",
    test="journals that every past version left are looked at without ray, gone on with, and given one "
    "event of a version to come",
    small=3,
    full=30,
    keep=keep,
    journals=(SQLITE,),
)
