"""Crystals that are to be predicted: a structure file, a folder of them, or a table that names them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from pymatgen.core import Structure

from matscout.data.columns import is_structure_json, names_structure
from matscout.data.structure_cells import structure_texts
from matscout.data.structure_files import load_texts, structure_path, structure_text
from matscout.data.structures import SUFFIXES
from matscout.data.table_files import reader_for
from matscout.data.text_table import TextTable, read_text_table
from matscout.errors import InputError

COLUMN = "structure"
"""Of a table, what its structures stand under."""


@dataclass(frozen=True)
class NewStructures:
    """m ordered crystals and the table that they stand in, where each is named by its file or its
    formula; `where` (m,) says it in an error.
    """

    text: TextTable
    structures: tuple[Structure, ...]
    where: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.structures)


def read_new_structures(path: Path) -> NewStructures:
    """One CIF, POSCAR or pymatgen JSON file; a folder of them, with a CSV whose column `id` names them
    or without; or a table (CSV, JSON, JSON lines, Parquet) with a column `structure` of such files
    below its folder, or of pymatgen's JSON. All are read in a bounded child. InputError for the first
    that cannot be read, by its name or line.
    """
    if not path.is_dir() and _is_one(path):
        text, texts = _of_files([path.name], str(path)), [structure_text(str(path))]
    else:
        text = _of_folder(path) if path.is_dir() else read_text_table(path)
        if COLUMN not in text.header:
            what = f"no column '{COLUMN}', of files or of pymatgen's JSON"
            known = ", ".join(text.header[:10])
            raise InputError(text.name, what, f"it has: {known:.200}")
        texts = structure_texts(text, COLUMN, path if path.is_dir() else path.parent)
    structures = tuple(load_texts(texts))
    return NewStructures(_shown(text, structures), structures, tuple(one.where for one in texts))


def holds_structures(path: Path) -> bool:
    """Whether it is a file or folder of structures, and no table that might name some."""
    return path.is_dir() or _is_one(path)


def _is_one(path: Path) -> bool:
    """Whether a file holds a single structure. Of JSON only the file itself can say so: pandas' split,
    too, is one object with structures in it."""
    if path.suffix.lower() == ".json":
        try:
            text = structure_text(str(path)).text.strip()
            return is_structure_json(text) and {"lattice", "sites"} <= json.loads(text).keys()
        except (InputError, ValueError, RecursionError):  # too large for one, nothing, or no JSON
            return False
    is_table = path.suffix.lower() == ".csv" or reader_for(path) is not None
    return names_structure(path.name) and not is_table


def _of_files(names: list[str], of: str) -> TextTable:
    rows = tuple((name,) for name in names)
    return TextTable(of, (COLUMN,), rows, tuple(range(1, len(rows) + 1)), "file")


def _of_folder(folder: Path) -> TextTable:
    tables = sorted(folder.glob("*.csv"))
    if len(tables) > 1:
        what = f"holds {len(tables)} CSV files"
        raise InputError(str(folder), what, "keep one, with the column id, or none")
    if not tables:
        files = (p.name for p in folder.iterdir() if p.is_file() and p.name[:1] != ".")
        found = sorted(filter(names_structure, files))
        if not found:
            raise InputError(str(folder), "holds no CIF, POSCAR or JSON file", "add at least one")
        return _of_files(found, str(folder))
    text = read_text_table(tables[0])
    if COLUMN in text.header:
        return text
    names = [_file_of(folder, cell, text.at(row)) for row, cell in enumerate(text.column("id"))]
    rows = tuple((*row, name) for row, name in zip(text.rows, names, strict=True))
    return replace(text, header=(*text.header, COLUMN), rows=rows)


def _file_of(folder: Path, name: str, where: str) -> str:
    known = [name + s for s in SUFFIXES]
    found = [one for one in known if os.path.isfile(folder / one)]  # quiet on odd names
    if len(found) != 1:
        what = f"'{name:.80}' has " + ("several structure files" if found else "no structure file")
        raise InputError(where, what, f"put one of NAME{{{','.join(SUFFIXES)}}} beside it")
    try:
        structure_path(folder, found[0])
    except InputError as error:
        raise error.within(where) from None
    return found[0]


def _shown(text: TextTable, structures: tuple[Structure, ...]) -> TextTable:
    """With a formula in place of a structure that is written out in its cell."""
    place = text.header.index(COLUMN)
    rows = tuple(
        (*row[:place], one.composition.reduced_formula, *row[place + 1 :])
        if row[place].startswith("{")
        else row
        for row, one in zip(text.rows, structures, strict=True)
    )
    return replace(text, rows=rows)
