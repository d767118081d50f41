"""A column of structures as a model sees it: what each is made of, and blocks of numbers on the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matscout.data.graphs import GraphStore
from matscout.data.structure_blocks import structure_blocks
from matscout.data.structure_cells import structure_texts
from matscout.data.structure_files import load_texts
from matscout.data.text_table import TextTable

BLOCKS = ("chgnet", "geometry")
"""Beside the composition, which becomes two blocks as any formula does."""


@dataclass(frozen=True)
class StructureColumn:
    """`formulas` (n,) are reduced; `blocks` has (n, 64) features of CHGNet and (n, 10) of geometry."""

    formulas: tuple[str, ...]
    blocks: dict[str, NDArray[np.float64]]


def structure_store(cache: Path | None) -> GraphStore | None:
    """Where parsed structures are kept in the folder `cache`."""
    return None if cache is None else GraphStore(cache / "parsed")


def structure_column(
    table: TextTable, name: str, folder: Path, cache: Path | None = None
) -> StructureColumn:
    """The column's cells are paths below `folder`, or pymatgen's JSON. In the folder `cache`, if
    given, what was read and computed is kept by its content. InputError with the line of a cell
    that is empty, names no file, or holds no ordered crystal, and where CHGNet is not installed.
    """
    texts = structure_texts(table, name, folder)
    structures = load_texts(texts, structure_store(cache))
    made = structure_blocks(
        structures, folder=cache, names=[text.where for text in texts], wanted=BLOCKS
    )
    formulas = tuple(one.composition.reduced_formula for one in structures)
    return StructureColumn(formulas, {block: made[block][1] for block in BLOCKS})
