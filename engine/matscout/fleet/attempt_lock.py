"""A lock that a worker holds while an attempt runs, so that a later driver can see it alive."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matscout.evaluate.descriptors import patiently

_NAME = re.compile(r"trial-(\d+)-(\d+)\.running")
_VOID = b"void"
_TRIES, _PAUSE_S = 40, 0.005
"""A driver that looks at a lock holds it for some microseconds; a worker waits that long."""


class AttemptTaken(Exception):
    """The attempt may not start: it runs elsewhere, or a driver has declared it void."""


@dataclass(frozen=True)
class AttemptLocks:
    """One `trial-<id>-<attempt>.running` file per running attempt, under flock.

    The kernel lets go of the lock when the process dies, however it dies, so a file that can be
    locked belongs to nobody. Needs a file system with flock (local ones, NFS since Linux 2.6.12).
    """

    folder: Path

    def path(self, trial: int, attempt: int) -> Path:
        return self.folder / f"trial-{trial:06d}-{attempt:02d}.running"

    @contextmanager
    def hold(self, trial: int, attempt: int) -> Iterator[None]:
        """Hold the attempt's lock; AttemptTaken if another holds it or it is void."""
        path = self.path(trial, attempt)
        for _ in range(_TRIES):
            descriptor = _lock(path)
            if descriptor is not None:
                break
            time.sleep(_PAUSE_S)
        else:
            raise AttemptTaken(f"this attempt is running elsewhere already ({_owner(path)})")
        try:
            if os.read(descriptor, len(_VOID)) == _VOID:
                raise AttemptTaken("a driver declared this attempt void before it began")
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def alive(self) -> list[tuple[int, int]]:
        """(trial, attempt) of every attempt that some process is working on now.

        What a dead worker left behind is cleared away.
        """
        running = []
        for path in sorted(self.folder.glob("trial-*.running")):
            name = _NAME.fullmatch(path.name)
            if name is None:
                continue
            descriptor = _lock(path, create=False)
            if descriptor is None:
                if path.exists():
                    running.append((int(name[1]), int(name[2])))
                continue
            if os.read(descriptor, len(_VOID)) != _VOID:
                path.unlink(missing_ok=True)
            os.close(descriptor)
        return running

    def void(self, trial: int, attempt: int) -> bool:
        """See to it that the attempt never starts from now on; False if it is running.

        A driver that takes a run over calls this for each attempt in flight, before it sweeps the
        outbox and before it dispatches anything: an assignment of the dead driver may still lie in
        a pipe, and would start after a mere look at `alive`.
        """
        descriptor = _lock(self.path(trial, attempt))
        if descriptor is None:
            return False
        os.pwrite(descriptor, _VOID, 0)
        os.close(descriptor)
        return True

    def clear(self, trial: int, attempt: int) -> None:
        """Forget an attempt whose worker is known to be dead."""
        self.path(trial, attempt).unlink(missing_ok=True)


def _lock(path: Path, create: bool = True) -> int | None:
    """A descriptor that holds the lock of the file that now has this name; None if it is held."""
    while True:
        try:
            flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
            descriptor = patiently(partial(os.open, path, flags, 0o600))
        except FileNotFoundError:
            if create:
                raise
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(descriptor, path):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise
        # The file was unlinked between open and lock: its holder has just ended.
        os.close(descriptor)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _owner(path: Path) -> str:
    try:
        return path.read_text().strip() or "unknown"
    except OSError:
        return "unknown"
