"""Crystals with a target each, from a pymatgen JSON file or from a folder of CIF and POSCAR files.

Structures are rebuilt from plain numbers. pymatgen's own `from_dict` also decodes site properties,
and that imports whatever module the file names.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from matscout.data.tables import read_table
from matscout.data.text_table import as_number
from matscout.errors import InputError

MAX_STRUCTURE_BYTES = 10 * 2**20
MAX_FILE_BYTES = 512 * 2**20
MAX_SITES = 5_000
SUFFIXES = (".cif", ".vasp", ".poscar")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class StructureSet:
    """`n` ordered crystals, a stable id and a target (in the data's own unit) each: (n,) floats."""

    ids: tuple[str, ...]
    structures: tuple[Structure, ...]
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


def load_structures(path: str | Path, target: str = "target") -> StructureSet:
    """Read `[{"structure": …, "<target>": …, "id": …}, …]` (.json, .jsonl, .gz of either; id is
    optional), Matbench's `{"index", "columns", "data"}`, or a folder with `<id>.cif`, `<id>.vasp`
    or `<id>.poscar` files and one CSV with the columns `id` and `<target>`.

    Raises InputError for anything missing, malformed, too large, disordered, or given twice.
    """
    path = Path(path)
    if path.is_dir():
        entries = list(_from_folder(path, target))
    elif path.is_file():
        entries = list(_from_file(path, target))
    else:
        raise InputError(str(path), "no such file or folder", "check the path")
    if not entries:
        raise InputError(str(path), "holds no structure", "add at least one")
    ids = tuple(name for name, _, _ in entries)
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise InputError(str(path), f"the id '{twice}' is given twice", "make ids differ")
    return StructureSet(ids, tuple(s for _, s, _ in entries), np.array([y for _, _, y in entries]))


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
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(packed)
    os.replace(draft, path)


def structure_to_dict(structure: Structure) -> dict[str, Any]:
    """The part of pymatgen's dictionary that makes an ordered crystal; pymatgen reads it too."""
    return {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "lattice": {"matrix": structure.lattice.matrix.tolist()},
        "sites": [
            {
                "species": [{"element": site.specie.symbol, "occu": 1}],
                "abc": site.frac_coords.tolist(),
                "xyz": site.coords.tolist(),
            }
            for site in structure
        ],
    }


def structure_from_dict(raw: Any, where: str = "structure") -> Structure:
    """An ordered crystal from pymatgen's dictionary: lattice matrix, elements, fractional sites.

    Oxidation states, properties and labels are left behind. Raises InputError.
    """
    try:
        matrix = np.array(raw["lattice"]["matrix"], dtype=float)
        sites = raw["sites"]
        if not isinstance(sites, list) or not 1 <= len(sites) <= MAX_SITES:
            raise InputError(
                where, f"a crystal has 1 to {MAX_SITES:,} sites", "take a smaller cell"
            )
        symbols = [_symbol(site["species"], f"{where}: site {k}") for k, site in enumerate(sites)]
        coords = np.array([site["abc"] for site in sites], dtype=float)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(where, f"not a pymatgen structure ({error!r:.80})") from None
    if matrix.shape != (3, 3) or coords.shape != (len(sites), 3):
        raise InputError(where, "lattice must be 3x3 numbers and each site three")
    return checked(Structure(Lattice(matrix), symbols, coords), where)


def checked(structure: Structure, where: str) -> Structure:
    """`structure`, if a neighbour search in it ends: finite, ordered, with a cell of sane size."""
    if not 1 <= len(structure) <= MAX_SITES:
        raise InputError(where, f"{len(structure)} sites; 1 to {MAX_SITES:,} are allowed")
    if not structure.is_ordered:
        raise InputError(
            where, f"{structure.formula} has partly occupied sites", "use an ordered approximant"
        )
    matrix = structure.lattice.matrix
    if not (np.isfinite(matrix).all() and np.isfinite(structure.frac_coords).all()):
        raise InputError(where, "a lattice or a coordinate is not finite")
    volume = abs(float(np.linalg.det(matrix)))
    # Half an angstrom cubed an atom is denser than anything under pressure; a cell flatter than
    # half an angstrom would make the neighbour search walk through millions of images.
    dense = volume < 0.5 * len(structure)
    if dense or (1 / np.linalg.norm(np.linalg.inv(matrix), axis=0)).min() < 0.5:
        raise InputError(where, f"a cell of {volume:.3g} cubic angstrom for {len(structure)} atoms")
    return structure


def _symbol(species: Any, where: str) -> str:
    if len(species) != 1 or abs(float(species[0].get("occu", 1)) - 1.0) > 1e-6:
        raise InputError(where, "partly occupied", "use an ordered approximant")
    symbol = species[0]["element"]
    if not Element.is_valid_symbol(symbol):
        raise InputError(where, f"no element is called {symbol!r:.20}")
    return str(Element(symbol).symbol)


def _from_file(path: Path, target: str) -> Iterator[tuple[str, Structure, float]]:
    stem = path.name.removesuffix(".gz")
    if not stem.endswith((".json", ".jsonl")):
        raise InputError(str(path), "not a .json, .jsonl, .json.gz or .jsonl.gz file, nor a folder")
    records = _lines(path) if stem.endswith(".jsonl") else _records(path, target)
    for place, (where, record) in enumerate(records):
        if not isinstance(record, Mapping) or "structure" not in record:
            raise InputError(where, 'not an object with a "structure"')
        if target not in record:
            known = ", ".join(sorted(k for k in map(str, record) if k not in ("structure", "id")))
            raise InputError(where, f'no target "{target}"', f"it has: {known or 'none'}")
        value = record[target]
        number = None if isinstance(value, bool) else as_number(str(value))
        if number is None:
            raise InputError(where, f'target "{target}" must be a finite number, got {value!r:.40}')
        name = str(record.get("id", place))
        yield name, structure_from_dict(record["structure"], where), number


def _records(path: Path, target: str) -> Iterator[tuple[str, Any]]:
    raw = _parse(_bytes(path), str(path))
    if isinstance(raw, dict) and {"columns", "data"} <= raw.keys():  # Matbench: a pandas split
        raw = [dict(zip(raw["columns"], row, strict=False)) for row in raw["data"]]
    if not isinstance(raw, list):
        raise InputError(str(path), "not a list of objects")
    for place, record in enumerate(raw):
        yield f"{path}: entry {place}", record


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(_bytes(path).splitlines(), start=1):
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


def _bytes(path: Path) -> bytes:
    """The file's bytes, unpacked, and never more than the limit: a small archive can hold a sea."""
    try:
        with open(path, "rb") as file:
            stream = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(str(path), f"cannot be read ({error!s:.80})") from None
    if len(data) > MAX_FILE_BYTES:
        raise InputError(str(path), f"more than {MAX_FILE_BYTES:,} bytes", "split the file")
    return data


def _from_folder(folder: Path, target: str) -> Iterator[tuple[str, Structure, float]]:
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        raise InputError(
            str(folder), f"holds {len(tables)} CSV files", "keep one, with id and target"
        )
    table = read_table(tables[0], target, inputs=["id"], categorical=["id"])
    for name, value in zip(table.categorical["id"], table.target, strict=True):
        where = f"{tables[0]}: id '{name}'"
        if not _ID.fullmatch(name):
            raise InputError(where, "letters, digits, '.', '_' and '-' only, 64 at most")
        found = [p for p in (folder / f"{name}{s}" for s in SUFFIXES) if p.is_file()]
        if len(found) != 1 or found[0].is_symlink():
            what = "no structure file" if not found else "several structure files, or a link"
            raise InputError(where, what, f"put one of {name}{{{','.join(SUFFIXES)}}} beside it")
        yield name, read_structure(found[0]), float(value)


def read_structure(path: Path) -> Structure:
    """The crystal in one CIF or POSCAR file. Raises InputError."""
    try:
        if path.stat().st_size > MAX_STRUCTURE_BYTES:
            raise InputError(str(path), f"a structure may have {MAX_STRUCTURE_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"cannot be read ({error!s:.80})") from None
    is_cif = path.suffix.lower() == ".cif"
    if not is_cif:
        _check_poscar(text, str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structure = Structure.from_str(text, fmt="cif" if is_cif else "poscar")
            structure.remove_oxidation_states()
    except Exception as error:  # the parsers raise whatever the text makes them stumble over
        raise InputError(str(path), f"not a structure ({error!s:.80})") from None
    return checked(structure, str(path))


def _check_poscar(text: str, where: str) -> None:
    """Elements named, and as many sites as are allowed, before the parser makes a list of them."""
    lines = [line.split() for line in io.StringIO(text)]
    if len(lines) < 8:
        raise InputError(where, "not a POSCAR file: fewer than eight lines")
    if not lines[5] or not lines[5][0][:1].isalpha():
        raise InputError(where, "line 6 names no elements", "write them above the counts")
    counts = [int(word) for word in lines[6] if word.isdecimal() and len(word) < 10]
    if not counts or len(counts) < len(lines[6]) or not 1 <= sum(counts) <= MAX_SITES:
        raise InputError(where, f"line 7 must count 1 to {MAX_SITES:,} sites")
