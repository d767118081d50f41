"""A file that is there whole, and on disk, or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from matscout.durable_file import replace_durably
from matscout.errors import InputError

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system without hard links says: exFAT, and some that are shared over a network."""


def write_whole(path: Path, data: bytes) -> None:
    """Through a hidden draft beside it. Raises InputError where the disk refuses."""
    _write(path, data, os.replace)


def write_new(path: Path, data: bytes) -> bool:
    """The same for a file that nobody has made yet; False, and nothing written, where one stands there
    by the time. Of two processes at once one is told True.
    """
    try:
        _write(path, data, _take_place)
    except FileExistsError:
        return False
    return True


def _take_place(draft: Path, path: Path) -> None:
    """FileExistsError where something stands there: a link, unlike a rename, takes nobody's place."""
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Whoever else makes a file here gets no links either, and waits for the folder in turn.
        folder = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # nor any locks: all that is left is to look
                fcntl.flock(folder, fcntl.LOCK_EX)
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            os.replace(draft, path)
        finally:
            os.close(folder)


def _write(path: Path, data: bytes, settle: Callable[[Path, Path], None]) -> None:
    try:
        replace_durably(path, data, settle)
    except FileExistsError:
        raise
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise InputError(str(path), what, "name another file") from None
