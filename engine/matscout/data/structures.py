"""Crystals with a target each, from a pymatgen JSON file or from a folder of CIF and POSCAR files."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from matscout.data.no_square import LARGEST, no_square
from matscout.data.structure_files import load_each
from matscout.data.structure_text import (
    MAX_SITES,
    MAX_STRUCTURE_BYTES,
    checked,
    structure_from_dict,
    structure_to_dict,
)
from matscout.data.tables import read_table
from matscout.data.text_table import as_number, is_missing, read_text_table
from matscout.data.unpacked import unpacked
from matscout.durable_file import replace_durably
from matscout.errors import InputError

__all__ = [
    "MAX_SITES", "MAX_STRUCTURE_BYTES", "StructureSet", "checked", "load_structures",
    "save_structures", "structure_from_dict", "structure_to_dict",
]  # fmt: skip

MAX_FILE_BYTES = 512 * 2**20
SUFFIXES = (".cif", ".vasp", ".poscar")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class StructureSet:
    """`n` ordered crystals, a stable id and a target (in the data's own unit) each: (n,) floats. Where
    `others`, (n, m), are known too, NaN stands for what was not measured, in the target as well.
    """

    ids: tuple[str, ...]
    structures: tuple[Structure, ...]
    target: np.ndarray
    others: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)


def load_structures(
    path: str | Path, target: str = "target", also: Sequence[str] = ()
) -> StructureSet:
    """Read `[{"structure": …, "<target>": …, "id": …}, …]` (.json, .jsonl, .gz of either; id is
    optional), Matbench's `{"index", "columns", "data"}`, or a folder with `<id>.cif`, `<id>.vasp`
    or `<id>.poscar` files and one CSV with the columns `id` and `<target>`. `also` are further
    numbers; with them a crystal need not have all (left out, null or empty), nor the target.

    Raises InputError for anything missing, malformed, too large, disordered, or given twice.
    """
    path = Path(path)
    entries: list[tuple[str, Structure, tuple[float, ...]]]
    names = (target, *also)
    if path.is_dir():
        entries = list(_from_folder(path, names))
    elif path.is_file():
        entries = list(_from_file(path, names))
    else:
        raise InputError(str(path), "no such file or folder", "check the path")
    if not entries:
        raise InputError(str(path), "holds no structure", "add at least one")
    ids = tuple(name for name, _, _ in entries)
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise InputError(str(path), f"the id '{twice}' is given twice", "make ids differ")
    values = np.array([numbers for _, _, numbers in entries])
    for name, column in zip(names, values.T, strict=True):
        if not np.isfinite(column).any():
            raise InputError(str(path), f'no crystal has a "{name}"', "check the name")
    others = values[:, 1:] if also else None
    return StructureSet(ids, tuple(s for _, s, _ in entries), values[:, 0].copy(), others)


def save_structures(path: str | Path, found: StructureSet, target: str = "target") -> None:
    """Write what `load_structures` reads: JSON lines, gzipped if the name ends so; by rename."""
    path = Path(path)
    lines = []
    for name, structure, value in zip(found.ids, found.structures, found.target, strict=True):
        record = {"id": name, "structure": structure_to_dict(structure), target: float(value)}
        lines.append(json.dumps(record, allow_nan=False) + "\n")
    data = "".join(lines).encode()
    # No time stamp inside the archive: the same structures make the same bytes.
    packed = gzip.compress(data, mtime=0) if path.suffix == ".gz" else data
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, packed)


def _from_file(
    path: Path, names: tuple[str, ...]
) -> Iterator[tuple[str, Structure, tuple[float, ...]]]:
    target, gaps = names[0], len(names) > 1
    stem = path.name.removesuffix(".gz")
    if not stem.endswith((".json", ".jsonl")):
        raise InputError(str(path), "not a .json, .jsonl, .json.gz or .jsonl.gz file, nor a folder")
    records = _lines(path) if stem.endswith(".jsonl") else _records(path, target)
    for place, (where, record) in enumerate(records):
        if not isinstance(record, Mapping) or "structure" not in record:
            raise InputError(where, 'not an object with a "structure"')
        if target not in record and not gaps:
            known = ", ".join(sorted(k for k in map(str, record) if k not in ("structure", "id")))
            raise InputError(where, f'no target "{target}"', f"it has: {known or 'none'}")
        numbers = tuple(_number(record.get(each), each, where, gaps) for each in names)
        name = str(record.get("id", place))
        yield name, structure_from_dict(record["structure"], where), numbers


def _number(value: Any, name: str, where: str, gaps: bool) -> float:
    """NaN for what was not measured, where `gaps` may be."""
    if gaps and (value is None or is_missing(str(value))):
        return math.nan
    number = None if isinstance(value, bool) else as_number(str(value))
    if number is None:
        raise InputError(where, f'target "{name}" must be a finite number, got {value!r:.40}')
    if abs(number) > LARGEST:
        raise InputError(where, no_square(name, str(value)), "mend it")
    return number


def _records(path: Path, target: str) -> Iterator[tuple[str, Any]]:
    raw = _parse(unpacked(path, MAX_FILE_BYTES), str(path))
    if isinstance(raw, dict) and {"columns", "data"} <= raw.keys():  # Matbench: a pandas split
        raw = [dict(zip(raw["columns"], row, strict=False)) for row in raw["data"]]
    if not isinstance(raw, list):
        raise InputError(str(path), "not a list of objects")
    for place, record in enumerate(raw):
        yield f"{path}: entry {place}", record


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(io.BytesIO(unpacked(path, MAX_FILE_BYTES)), start=1):
        if line.strip():
            where = f"{path}: line {number}"
            if len(line) > MAX_STRUCTURE_BYTES:
                raise InputError(where, f"a structure may have {MAX_STRUCTURE_BYTES:,} bytes")
            yield where, _parse(line, where)


def _parse(data: bytes, where: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"not JSON ({error!s:.80})") from None


def _from_folder(
    folder: Path, names: tuple[str, ...]
) -> Iterator[tuple[str, Structure, tuple[float, ...]]]:
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        raise InputError(
            str(folder), f"holds {len(tables)} CSV files", "keep one, with id and target"
        )
    ids, rows = _numbers_of(tables[0], names)
    paths = []
    for name in ids:
        where = f"{tables[0]}: id '{name}'"
        if not _ID.fullmatch(name):
            raise InputError(where, "letters, digits, '.', '_' and '-' only, 64 at most")
        found = [p for p in (folder / f"{name}{s}" for s in SUFFIXES) if p.is_file()]
        if len(found) != 1 or found[0].is_symlink():
            what = "no structure file" if not found else "several structure files, or a link"
            raise InputError(where, what, f"put one of {name}{{{','.join(SUFFIXES)}}} beside it")
        paths.append(str(found[0]))
    structures = load_each(paths)
    yield from zip(ids, structures, rows, strict=True)


def _numbers_of(
    path: Path, names: tuple[str, ...]
) -> tuple[Sequence[str], list[tuple[float, ...]]]:
    """Ids and numbers of the crystals of a CSV."""
    if len(names) == 1:
        table = read_table(path, names[0], inputs=["id"], categorical=["id"])
        return table.categorical["id"].tolist(), [(y,) for y in table.target.tolist()]
    raw = read_text_table(path)
    ids, columns = raw.column("id"), [raw.column(name) for name in names]
    rows = [
        tuple(
            _number(cell, name, f"{path}: id '{own}'", True)
            for cell, name in zip(row, names, strict=True)
        )
        for own, row in zip(ids, zip(*columns, strict=True), strict=True)
    ]
    return ids, rows
