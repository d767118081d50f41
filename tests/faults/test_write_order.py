"""Write, then fsync, then acknowledge: read off the system calls of a real process.

A kill proves nothing about it, as the page cache survives. What is shown here is what the kernel was
asked for, and in which order; that the disk obeys an fsync, nobody can show from above.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((?:(\d+)<([^>]*)>)?(.*)$")

SCRIPT = """
import os, sys
from pathlib import Path
import numpy as np
from matscout.checkpoint import Checkpoint, CheckpointStore
from matscout.event import Event, EventKind
from matscout.fleet.outbox import Outbox
from matscout.journal import Journal
from matscout.outcome import Kind, Outcome
from matscout.runfolder import RunFolder

def said(what):
    os.write(1, (what + "\\n").encode())

runs = RunFolder(Path(sys.argv[1]) / "run")
draft = runs.draft()
journal = Journal.create(draft)
draft.manifest.write_text("{}")
journal.close()
runs.settle(draft)
said("acknowledged: run")
journal = Journal.open(runs)
for k in range(3):
    journal.append(Event(EventKind.STOPPED, body={"reason": str(k)}))
    said("acknowledged: event")
Outbox(runs.outbox).write(Outcome(1, 1, Kind.MEASURED, values={"y": 1.0}))
said("acknowledged: result")
CheckpointStore(runs.checkpoints(1)).save(Checkpoint(1, {"w": np.zeros(3)}, {}))
said("acknowledged: checkpoint")
journal.close()
"""

Call = tuple[str, str]
"""(name, path or text): a write, an fsync, a rename, or what was said."""


def strace(tmp_path: Path) -> list[Call]:
    trace = tmp_path / "trace"
    calls = "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2"
    watch = ["strace", "-f", "-y", "-s", "200", "-e", f"trace={calls}", "-o", str(trace)]
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [*watch, sys.executable, "-c", SCRIPT, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    if "ptrace" in done.stderr or not trace.exists():
        pytest.skip(f"strace may not watch here: {done.stderr.strip()[:100]}")
    assert done.returncode == 0, done.stderr
    out = []
    for line in trace.read_text().splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        name, descriptor, path, rest = found.groups()
        if name == "write" and descriptor == "1":
            name, path = "said", (re.search(r'"(.*?)\\n"', rest) or [""] * 2)[1]
        elif name.startswith("rename"):
            name, path = "rename", re.findall(r'"(.*?)"', line)[-1]
        elif name in ("fsync", "fdatasync"):
            name = "sync"
        else:
            name = "write"
        if path and (name == "said" or str(tmp_path) in path):
            out.append((name, path.replace(str(tmp_path), "").replace("(deleted)", "")))
    return out


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    return strace(tmp_path_factory.mktemp("traced"))


def before(calls: list[Call], word: str) -> list[list[Call]]:
    """What was done before each acknowledgement of this kind, since the acknowledgement before it."""
    parts: list[list[Call]] = [[]]
    found = []
    for call in calls:
        if call[0] == "said":
            if call[1] == f"acknowledged: {word}":
                found.append(parts[-1])
            parts.append([])
        else:
            parts[-1].append(call)
    assert found, word
    return found


def last(calls: list[Call], name: str, end: str) -> int:
    return max(i for i, (n, path) in enumerate(calls) if n == name and path.endswith(end))


def test_an_event_is_synced_before_it_is_acknowledged(calls: list[Call]) -> None:
    events = before(calls, "event")
    assert len(events) == 3
    for part in events:
        written, synced = last(part, "write", "-wal"), last(part, "sync", "-wal")
        assert written < synced < last(part, "write", "journal.head"), "the head never leads"


def test_a_result_is_synced_and_named_before_it_is_reported(calls: list[Call]) -> None:
    (part,) = before(calls, "result")
    places = [
        last(part, "write", ".draft"), last(part, "sync", ".draft"),
        last(part, "rename", "trial-000001-01.json"), last(part, "sync", "/outbox"),
    ]  # fmt: skip
    assert places == sorted(places)


def test_a_checkpoint_appears_whole(calls: list[Call]) -> None:
    (part,) = before(calls, "checkpoint")
    for file in ("arrays.safetensors", "state.json"):
        assert last(part, "write", file) < last(part, "sync", file)
    drafts = [p for n, p in part if n == "sync" and re.fullmatch(r".*/\.draft-\d+-\d+", p)]
    places = [
        last(part, "sync", "state.json"), last(part, "sync", drafts[0]),
        last(part, "rename", "step-00000001"), last(part, "sync", "/trial-000001"),
    ]  # fmt: skip
    assert places == sorted(places)


def test_a_run_appears_whole(calls: list[Call]) -> None:
    (part,) = before(calls, "run")
    renamed = last(part, "rename", "/run")
    synced = [path for n, path in part[:renamed] if n == "sync"]
    assert any(path.endswith("journal.db") for path in synced) and "/.run.draft-" in synced[-1]
    assert "/" not in synced[-1].split("draft-")[1], "the folder itself, last"
    assert any(n == "sync" for n, _ in part[renamed:]), "and the folder of the runs"
