"""One driver a run: a lock that the kernel releases when its holder dies (promise R14)."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from matscout.errors import InputError
from matscout.json_text import parsed_json
from matscout.process_id import exists

_MOST_SAID = 1000
_TELLS_S = 1.0
"""How long a lock that is held may name nobody alive: its owner is about to write who it is, or to
die, or is a reader that asked who drives."""

_LOOK_S = 0.005

# A lock or a WAL on these may be seen late, or not at all, by another host.
_NETWORK_FILE_SYSTEMS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "afs",
        "ncpfs",
        "9p",
        "lustre",
        "beegfs",
        "gpfs",
        "ceph",
        "glusterfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.s3fs",
        "fuse.gcsfuse",
    ]
)


class Owner:
    """Holds a run's lock file, which says who holds it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def take(cls, path: Path) -> Owner:
        """Become the owner, at once if the last one is dead; InputError if one is alive."""
        file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")  # noqa: SIM115 (kept open)
        until_s = time.monotonic() + _TELLS_S
        while not _locked(file):
            file.seek(0)
            text = file.read(_MOST_SAID)
            if _names_the_living(text) or time.monotonic() >= until_s:
                file.close()
                raise InputError(
                    str(path.parent),
                    f"the journal is open elsewhere: {_who(text)}",
                    "wait for it, stop it, or look with matscout status",
                )
            time.sleep(_LOOK_S)
        file.seek(0)
        file.truncate()
        json.dump({"host": socket.gethostname(), "pid": os.getpid()}, file)
        file.flush()
        return cls(file)

    def release(self) -> None:
        """Let go, and leave no name behind."""
        with suppress(OSError, ValueError):  # a full disk, or a second time
            self._file.seek(0)
            self._file.truncate()
        self._file.close()


def current_owner(path: Path) -> str:
    """Who owns the run now ("host h, process 12"), or an empty text if nobody does."""
    try:
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _who(file.read(_MOST_SAID))
    except OSError:
        pass
    return ""


def refuse_network_file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """InputError if SQLite would live on a file system whose locks and caches it cannot trust."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return
    real = str(path.resolve())  # a link may lead elsewhere than it stands
    best, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        inside = real.startswith(point.rstrip("/") + "/") or point == "/"
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    if kind in _NETWORK_FILE_SYSTEMS:
        raise InputError(
            str(path),
            f"{best} is a network file system ({kind}), where SQLite can lose data",
            "put the run on a local disk with --runs DIR",
        )


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _names_the_living(text: str) -> bool:
    """Whether it names an owner that is alive, as far as can be told from here."""
    try:
        owner = parsed_json(text)
        return bool(owner["host"] != socket.gethostname() or exists(int(owner["pid"])))
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return False


def _who(text: str) -> str:
    try:
        owner = parsed_json(text)
        return f"host {owner['host']}, process {int(owner['pid'])}"
    except (ValueError, KeyError, TypeError, OverflowError):
        return "another process"
