"""Structure files that the cells of a table name, beside that table."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from pymatgen.core import Structure

from matscout.data.structures import (
    MAX_STRUCTURE_BYTES,
    read_structure,
    structure_from_dict,
)
from matscout.errors import InputError


def structure_path(folder: Path, cell: str) -> Path:
    """The file that a cell names, as an absolute path below `folder`. Raises InputError for a file
    that is not there, lies elsewhere, or is reached through a link.
    """
    base, inner = folder.resolve(), Path(cell)
    path = base / inner
    mend = "put the file beside the table"
    try:
        if inner.is_absolute() or ".." in inner.parts or path.resolve() != path:
            raise InputError(repr(cell), "not a plain path below the table's folder", mend)
        if not path.is_file():
            raise InputError(repr(cell), "no such file beside the table", mend)
    except (OSError, ValueError):  # a name that is too long, or that no file can have
        raise InputError(repr(cell[:80]), "not the name of a file", mend) from None
    return path


def load_structure(path: str | Path) -> Structure:
    """The ordered crystal in a CIF, POSCAR or pymatgen JSON file. Raises InputError.

    Remembered within the process until the file changes; the structure is not to be altered.
    """
    path = Path(path)
    try:
        seen = path.stat()
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from None
    return _loaded(path, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=1 << 14)
def _loaded(path: Path, mtime_ns: int, size: int) -> Structure:
    if path.suffix.lower() != ".json":
        return read_structure(path)
    if size > MAX_STRUCTURE_BYTES:
        raise InputError(str(path), f"a structure may have {MAX_STRUCTURE_BYTES:,} bytes")
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(str(path), f"not JSON ({error!s:.80})") from None
    return structure_from_dict(raw, str(path))
