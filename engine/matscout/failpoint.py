"""Named places where a test may kill the process or raise: the only way to hit an instant on purpose.

`MATSCOUT_FAILPOINT=journal.after_commit:3:kill` ends the process the third time that place is
passed; `raise` instead of `kill` raises OSError there. Unset, a failpoint costs two comparisons.
The simulator watches all of them in one process (`watched`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NAMES = {
    # the driver
    "run.before_settle": "a new run is written whole, under its draft's name",
    "run.swept": "the outbox was read, nothing of it is journalled",
    "run.recovered": "what the last sitting left in flight is settled in the journal",
    "loop.before_asked": "the proposer has answered, the journal knows nothing of it",
    "loop.after_queued": "the queue is in the journal",
    "loop.after_asked": "new trials and their dispatches are in the journal, no worker knows of them",
    "loop.after_thawed": "so is the next attempt at a trial that was stopped early",
    "loop.thinking": "the next queue is about to be thought out",
    "loop.before_submit": "an attempt is in the journal and not with the fleet",
    "loop.after_submit": "it is with the fleet",
    "loop.before_acknowledge": "what came in is in the journal, the worker does not know that",
    "loop.after_acknowledge": "one outcome was acknowledged, others may wait",
    "journal.before_write": "nothing of a transaction is written",
    "journal.before_commit": "all of it is, and not committed",
    "journal.after_commit": "it is on the disk, the head still names the event before",
    "journal.after_head": "the head names it",
    "campaign.after_asked": "a person's recommendations are in the journal, not yet told",
    "campaign.after_added": "a person's results are in the journal, not yet told",
    "divided.part_heard": "the driver has taken in how a part ended, its outbox file is still there",
    "divided.before_outbox": "all parts are joined, the trial's ending is nowhere",
    # whoever writes a file: a worker, or the driver for a divided trial
    "file.before_fsync": "a file is written and not flushed",
    "file.after_fsync": "it is flushed; its folder may not be",
    "file.before_rename": "it is whole and flushed, under its draft's name",
    "file.after_rename": "it stands, the folder flushed",
    "outbox.before_write": "an attempt has ended, its ending is nowhere",
    "outbox.before_rename": "the ending is written under its draft's name",
    "outbox.after_rename": "the ending is in the outbox, the folder flushed, nobody told",
    "worker.before_report": "the same, lock and work folder given back",
    "checkpoint.between_files": "the arrays of a checkpoint are written, their hash is not",
    "checkpoint.before_rename": "a checkpoint is written under its draft's name",
    "checkpoint.between_renames": "an older one of its step is set aside, none in its place",
    "checkpoint.after_rename": "it stands, older ones are still there",
}
"""Every failpoint there is, and what is true when it is passed."""

_armed: dict[str, tuple[int, str]] = {}
_passed: dict[str, int] = {}
_watchers: list[Callable[[str], None]] = []


def arm(spec: str) -> None:
    """Arm `name:count:action`, action `kill` or `raise`; an empty spec disarms all."""
    _armed.clear()
    _passed.clear()
    if spec:
        name, count, action = spec.split(":")
        _armed[name] = (int(count), action)


@contextmanager
def watched(by: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, `by` is called with the name of every place passed, and may raise."""
    _watchers.append(by)
    try:
        yield
    finally:
        _watchers.remove(by)


def failpoint(name: str) -> None:
    """Pass the place called `name`."""
    if _watchers:
        for watcher in tuple(_watchers):
            watcher(name)
    if not _armed or name not in _armed:
        return
    count, action = _armed[name]
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] != count:
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(f"failpoint {name}")


arm(os.environ.get("MATSCOUT_FAILPOINT", ""))
