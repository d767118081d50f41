"""A file that is there whole, and on disk, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from matscout.checkpoint import sync_folder, write_durably
from matscout.errors import InputError


def write_whole(path: Path, data: bytes) -> None:
    """Through a hidden draft beside it. Raises InputError where the disk refuses."""
    draft = path.with_name(f".{path.name}.draft-{os.getpid()}")
    try:
        try:
            write_durably(draft, data)
            os.replace(draft, path)
            sync_folder(path.absolute().parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise InputError(str(path), what, "name another file") from None
