"""Find and end a process with everything that it started, so that nothing is left behind.

A process belongs to the family of a leader if it descends from it, is in its process group or
session, or carries the family's mark in its environment. The mark also finds a child that changed
its session and lost its parent, as long as it did not change its environment (Linux only).

To look at a process takes a file descriptor. One that cannot be looked at is not taken for dead.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from matscout.evaluate.descriptors import is_short, patiently

_PROC = Path("/proc")
_SURELY_S = 5.0
_LOOK_AGAIN_S = 0.005
_GUARD_LOOK_S = 0.25
_GUARD = (
    "import sys; from matscout.evaluate.process_tree import guard; "
    "guard(int(sys.argv[1]), sys.argv[2])"
)


def family(leader: int, mark: str = "") -> set[int]:
    """Pids that belong to `leader`, itself included; `mark` is a `NAME=value` of the environment.

    Zombies are left out. Never includes the calling process. Where no file descriptor is left to
    look with, the leader alone is told, dead or alive.
    """
    try:
        return _family(leader, mark)
    except OSError as error:
        if not is_short(error):
            raise
        return {leader} - {os.getpid()} if leader > 0 else set()


def _family(leader: int, mark: str) -> set[int]:
    table = _table()
    found = {pid for pid, ids in table.items() if leader == pid or leader in ids[1:]}
    if mark:
        found |= {pid for pid in table if _has_mark(pid, mark)}
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(pid)
    waiting = list(found)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found - {os.getpid()}


def send(pids: Iterable[int], signum: int) -> None:
    """Signal each; those that are gone, or not ours, are passed over."""
    for pid in pids:
        try:
            os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            continue


def kill_family(leader: int, mark: str = "") -> None:
    """SIGKILL the family and whatever it forks meanwhile; returns when none of it is left.

    Gives up after some seconds: a process in uninterruptible sleep dies when its disk lets it. So
    long a free file descriptor is waited for; then leader and process group end, which need none.
    """
    until_s = time.monotonic() + _SURELY_S
    members: set[int] = set()
    while True:
        try:
            # Those whose link to the leader, or whose environment, has gone are followed to their
            # end.
            members = (members & set(_table())) | _family(leader, mark)
        except OSError as error:
            if not is_short(error):
                raise
            if time.monotonic() >= until_s:
                _kill_blindly(leader)
                return
        else:
            if not members or time.monotonic() >= until_s:
                return
            send(members, signal.SIGKILL)
        time.sleep(_LOOK_AGAIN_S)


def _kill_blindly(leader: int) -> None:
    """What can be ended without looking. Never everybody (-1), nor the caller's own group."""
    if leader > 1 and leader not in (os.getpid(), os.getpgrp()):
        send([leader, -leader], signal.SIGKILL)


def start_guard(leader: int, name: str, value: str) -> None:
    """Start a small process that kills the family of `leader` once that is dead or orphaned.

    For a leader that may be killed by others, at a time when nobody is left who would clean up.
    `name` and `value` are the family's mark in the environment, through which, too, matscout must
    be found (PYTHONPATH), unless it is installed.
    """
    environment = {k: v for k, v in os.environ.items() if k != name}  # it is not of the family
    process = subprocess.Popen(
        [sys.executable, "-c", _GUARD, str(leader), f"{name}={value}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    threading.Thread(target=process.wait, daemon=True).start()  # it leaves a child, and returns


def guard(leader: int, mark: str) -> None:
    """What `start_guard` runs: returns when its work is done."""
    if os.fork():
        return  # so that the guard is no child of the leader, and survives it
    _wait_for_end(leader)
    kill_family(leader, mark)


def _wait_for_end(leader: int) -> None:
    """Until it is dead, or orphaned."""
    look = partial(patiently, partial(_parent, leader), math.inf)
    parent = look()
    while parent is not None and look() == parent:
        time.sleep(_GUARD_LOOK_S)


def _parent(pid: int) -> int | None:
    """The parent of a process; None if it is dead."""
    if (_PROC / "self" / "stat").exists():
        ids = _read_ids(str(pid))
    else:
        ids = _table_from_ps().get(pid)
    return None if ids is None else ids[0]


def _table() -> dict[int, tuple[int, int, int]]:
    """pid → (parent, process group, session) of every process that is no zombie."""
    if not (_PROC / "self" / "stat").exists():
        return _table_from_ps()
    table = {}
    for entry in os.listdir(_PROC):
        ids = _read_ids(entry) if entry.isdigit() else None
        if ids is not None:
            table[int(entry)] = ids
    return table


def _read_ids(pid: str) -> tuple[int, int, int] | None:
    try:
        text = (_PROC / pid / "stat").read_text(errors="replace")
    except OSError as error:
        if is_short(error):
            raise
        return None
    # The name, in brackets, may hold blanks and brackets itself.
    state, parent, group, session = text[text.rindex(")") + 1 :].split()[:4]
    return None if state in "ZX" else (int(parent), int(group), int(session))


def _table_from_ps() -> dict[int, tuple[int, int, int]]:
    said = subprocess.run(
        ["/bin/ps", "-axo", "pid=,ppid=,pgid=,stat="],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = (line.split() for line in said.stdout.splitlines())
    return {
        int(row[0]): (int(row[1]), int(row[2]), int(row[2]))
        for row in rows
        if len(row) == 4 and not row[3].startswith("Z")
    }


def _has_mark(pid: int, mark: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError as error:
        if is_short(error):
            raise
        return False
    return mark.encode() in environment.split(b"\0")
