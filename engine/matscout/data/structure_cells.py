"""A column whose cells name or hold crystal structures."""

from __future__ import annotations

from pathlib import Path

from matscout.data.structure_files import StructureText, structure_source, structure_text
from matscout.data.text_table import TextTable, is_missing
from matscout.errors import InputError


def structure_texts(table: TextTable, name: str, folder: Path) -> list[StructureText]:
    """The text behind each cell of the column: paths below `folder`, or pymatgen's JSON. InputError
    with the line of a cell that is empty or names no file.
    """
    texts = []
    for row, cell in enumerate(table.column(name)):
        where = table.at(row)
        if is_missing(cell):
            raise InputError(where, f"no structure in column '{name}'", "fill it in, drop the row")
        try:
            texts.append(structure_text(structure_source(folder, cell), where))
        except InputError as error:
            raise (error if error.where.startswith(where) else error.within(where)) from None
    return texts
