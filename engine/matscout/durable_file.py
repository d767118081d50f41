"""Files that are on the disk when the call returns, whole, whoever is killed meanwhile."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

from matscout.failpoint import failpoint

_drafts = itertools.count()


def write_durably(path: Path, data: bytes) -> None:
    """Write and fsync; the name is durable only after the folder is synced too."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        failpoint("file.before_fsync")
        os.fsync(file.fileno())
    failpoint("file.after_fsync")


def replace_durably(
    path: Path, data: bytes, put: Callable[[Path, Path], None] | None = None
) -> None:
    """The file holds all of `data`, or what it held before. `put` gives the draft, its first argument,
    its name; default: os.replace. OSError where the disk refuses; no draft is left then. (Where it
    refuses the last fsync, that of the folder, the new file stands.)
    """
    draft = path.with_name(f".{path.name}.draft-{os.getpid()}-{next(_drafts)}")
    try:
        write_durably(draft, data)
        failpoint("file.before_rename")
        (put or os.replace)(draft, path)
        sync_folder(path.absolute().parent)
    finally:
        draft.unlink(missing_ok=True)
    failpoint("file.after_rename")


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a rename inside it survives."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
