"""Whether a table is still the one that something was learned from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from matscout.bounded_read import read_bounded
from matscout.data.text_table import read_text_table
from matscout.errors import InputError


def table_digest(path: Path, structures: str | None = None) -> str:
    """SHA-256 of the file; with a column of structures, of the files too that its cells name."""
    try:
        found = hashlib.sha256(read_bounded(path))
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "restore it") from None
    if structures is None:
        return found.hexdigest()
    from matscout.data.structure_files import structure_source, structure_text

    for cell in read_text_table(path).column(structures):
        if not cell.startswith("{"):
            found.update(structure_text(structure_source(path.parent, cell)).digest.encode())
    return found.hexdigest()
