"""Structures that the cells of a table name or hold, and structure files: read in a child process that
is bounded in memory and time, and remembered by the hash of what was read.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from matscout.data.bounded_child import ChildEnded, Refused, answers
from matscout.data.graphs import GraphStore
from matscout.data.structure_text import MAX_SITES, MAX_STRUCTURE_BYTES, checked
from matscout.errors import InputError

VERSION = "structure 1"
"""Of what is kept on disk: to be raised with any change in how a structure is read."""

_MOST_KNOWN = 1 << 14
_ANSWER_BYTES = 400 * MAX_SITES + 1000
_known: dict[str, Structure] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class StructureText:
    """`kind`: cif, poscar or json. `where` names it in an error."""

    kind: str
    text: str
    where: str

    @property
    def digest(self) -> str:
        """SHA-256 of kind and text."""
        return hashlib.sha256(f"{VERSION} {self.kind} {self.text}".encode()).hexdigest()


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


def structure_source(folder: Path, cell: str) -> str:
    """What `structure_text` reads: a cell's own JSON, or the path of the file that it names."""
    return cell if cell.startswith("{") else str(structure_path(folder, cell))


def structure_text(source: str, where: str = "") -> StructureText:
    """The text of a file, or JSON as it stands; `where` is said in errors in front of the file's
    name. Raises InputError for what cannot be read or is larger than 10 MB.
    """
    inline = source.startswith("{")
    name = "structure" if inline else source
    name = f"{where}: {name}" if where and not inline else where or name
    try:
        data = source.encode() if inline else _bytes(Path(source))
        if len(data) > MAX_STRUCTURE_BYTES:
            raise InputError(name, f"a structure may have {MAX_STRUCTURE_BYTES:,} bytes")
        text = data.decode("utf-8")
    except (OSError, UnicodeError) as error:
        raise InputError(name, f"cannot be read ({error!s:.80})") from None
    suffix = "" if inline else Path(source).suffix.lower()
    kind = "json" if inline or suffix == ".json" else "cif" if suffix == ".cif" else "poscar"
    return StructureText(kind, text, name)


def load_structure(path: str | Path) -> Structure:
    """The ordered crystal in a CIF, POSCAR or pymatgen JSON file, or in JSON text. Raises InputError.

    Remembered within the process; the structure is not to be altered.
    """
    return load_each([str(path)])[0]


def load_each(sources: Sequence[str], store: GraphStore | None = None) -> list[Structure]:
    """`load_structure` of each, in one child process for all that is not known yet; `store` keeps
    across processes what was read. Nothing is kept where one of them is refused. Raises InputError.
    """
    return load_texts([structure_text(source) for source in sources], store)


def load_texts(texts: Sequence[StructureText], store: GraphStore | None = None) -> list[Structure]:
    """The same for texts: the InputError has the first bad one's `where`."""
    structures = []
    for found in attempted(texts, store):
        if isinstance(found, InputError):
            raise found
        structures.append(found)
    return structures


def attempted(
    texts: Sequence[StructureText], store: GraphStore | None = None
) -> list[Structure | InputError]:
    """Of each text the structure, or what is wrong with it: a bad one hides no other."""
    digests = [text.digest for text in texts]
    with _lock:
        if len(_known) > _MOST_KNOWN:
            _known.clear()
        out: dict[str, Structure | InputError] = {}
        missing: dict[str, StructureText] = {}
        for digest, text in zip(digests, texts, strict=True):
            record = None if store is None or digest in _known else store.get(digest)
            if record is not None:
                _known[digest] = _of_record(record)
            if digest not in _known:
                missing.setdefault(digest, text)
        out |= _read(list(missing.values()), list(missing))
        for digest, found in out.items():
            if not isinstance(found, InputError):
                _known[digest] = found
        out |= {digest: _known[digest] for digest in digests if digest in _known}
    good = {digest: one for digest, one in out.items() if not isinstance(one, InputError)}
    if store is not None and len(good) == len(out):
        new = [digest for digest in good if store.get(digest) is None]
        store.add({digest: _record(good[digest]) for digest in new})
    return [out[digest] for digest in digests]


def _read(texts: list[StructureText], digests: list[str]) -> dict[str, Structure | InputError]:
    """Through a child; a new one after each text that ended the one before."""
    out: dict[str, Structure | InputError] = {}
    while len(out) < len(texts):
        rest = texts[len(out) :]
        requests = [(text.kind, text.text) for text in rest]
        try:
            for said in answers(
                "matscout.data.structure_child", requests, most_bytes=_ANSWER_BYTES
            ):
                text = texts[len(out)]
                out[digests[len(out)]] = _of_answer(said, text.where)
        except ChildEnded as ended:
            text = texts[len(out)]
            out[digests[len(out)]] = InputError(
                text.where, str(ended), "mend the structure, or leave it out"
            )
    return out


def _of_answer(said: Any, where: str) -> Structure | InputError:
    if isinstance(said, Refused):
        return InputError(where, said.what, said.mend or "mend it, or leave it out")
    return _built(said["lattice"], said["numbers"], said["coords"], where)


def _built(lattice: Any, numbers: Any, coords: Any, where: str) -> Structure:
    species = [Element.from_Z(int(z)) for z in numbers]
    return checked(Structure(Lattice(lattice), species, coords), where)


def _record(structure: Structure) -> dict[str, np.ndarray]:
    """Three rows of the lattice, and one for each site."""
    rows = np.vstack([structure.lattice.matrix, structure.frac_coords])
    return {"x": rows, "numbers": np.array([0, 0, 0, *(site.specie.Z for site in structure)], "i8")}


def _of_record(record: dict[str, np.ndarray]) -> Structure:
    rows = np.array(record["x"])
    return _built(rows[:3], record["numbers"][3:], rows[3:], "structure")


def _bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_STRUCTURE_BYTES + 1)
