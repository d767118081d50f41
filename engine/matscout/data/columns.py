"""What the columns of a table hold: numbers, labels, formulas, structures, or nothing to learn from."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matscout.data.text_table import TextTable, as_number, as_numbers, is_missing
from matscout.errors import InputError, did_you_mean
from matscout.pool import KINDS

LEFT_OUT = ("id", "constant", "empty")
"""Kinds of columns that no model sees. Together with `pool.KINDS`, all that a column may be."""

MAX_LABELS = 100
"""Text with more different cells than this names things (papers, samples) rather than classing them.
A catalogue of more solvents or ligands than that is declared a category by name."""

_IDS_BY_LAST_WORD = frozenset({"id", "uid", "uuid", "doi", "url"})
_IDS_BY_HEADER = frozenset(
    {"#", "entry", "exp", "experiment", "idx", "index", "key", "label", "name", "no", "nr"}
    | {"number", "row", "run", "sample", "trial"}
)
_LOOKS_LIKE_FORMULA = re.compile(r"(?:[A-Z][a-z]?|[0-9.]|[()\[\]{}@ ])+")
_STRUCTURE_SUFFIXES = (".cif", ".vasp", ".poscar", ".json")
_FORMULA_SHARE = 0.95
_CENSORED = re.compile(r"\s*(?:<|>|≤|≥)\s*=?\s*(\S+)")


@dataclass(frozen=True)
class Column:
    """A column's kind (one of `pool.KINDS` or `LEFT_OUT`), and the reason where it is no plain one."""

    name: str
    kind: str
    why: str = ""


def column_kinds(
    table: TextTable,
    names: Sequence[str],
    folder: Path,
    *,
    said: Mapping[str, str] | None = None,
    wanted: Collection[str] = (),
) -> dict[str, Column]:
    """What each of the columns `names` is; structure files are sought from `folder`.

    `said` overrides by name (one of `pool.KINDS`, or id). A column in `wanted` (an input that a
    person named) is taken for an id or for empty only if there is no other way to take it. Raises
    InputError for an unknown column or kind in `said`.
    """
    said = said or {}
    known = (*KINDS, "id")
    for name, kind in said.items():
        table.column(name)
        if kind not in known:
            raise InputError(
                f"kinds.{name}", f"unknown kind {kind!r}", did_you_mean(str(kind), known)
            )
    out = {}
    for name in names:
        cells = table.column(name)
        if name in said:
            out[name] = Column(name, said[name], "as said")
        else:
            out[name] = _found(name, cells, folder, name in wanted)
    return out


def as_bound(cell: str) -> float | None:
    """The bound that a censored cell such as `<1E-10` or `≥ 80` gives, or None."""
    match = _CENSORED.fullmatch(cell)
    return None if match is None else as_number(match[1])


def is_infinite(cell: str) -> bool:
    try:
        return "_" not in cell and math.isinf(float(cell))
    except ValueError:
        return False


def _found(name: str, cells: Sequence[str], folder: Path, wanted: bool) -> Column:
    clean = as_numbers(cells)
    known = [cell for cell in cells if not is_missing(cell)] if clean is None else cells
    distinct = set(known) if clean is None or len(set(clean)) > 1 else {known[0]}  # 7 is 7.0
    gaps = len(cells) - len(known)
    if not known:
        return Column(name, "empty", "no cell is filled")
    if len(distinct) == 1 and not (gaps and wanted):
        if gaps > len(known):
            return Column(name, "empty", f"{gaps} of {len(cells)} cells are empty")
        return Column(name, "constant", f"always {known[0]:.40}")
    if gaps > len(known) and not wanted:
        return Column(name, "empty", f"{gaps} of {len(cells)} cells are empty")
    if _are_structures(distinct, folder):
        return Column(name, "structure")
    numbers = sum(map(_counts_as_number, known)) if clean is None else len(known)
    if 2 * numbers > len(known):
        if not wanted and _is_numbered(name, known):
            return Column(name, "id", "whole numbers under the name of an id")
        return Column(name, "number")
    if are_formulas(distinct):
        return Column(name, "formula")
    return _text(name, known, distinct, wanted)


def _text(name: str, known: Sequence[str], distinct: set[str], wanted: bool) -> Column:
    if not wanted:
        if _last_word(name) in _IDS_BY_LAST_WORD:
            return Column(name, "id", "by its name")
        if len(distinct) == len(known):
            return Column(name, "id", "text that differs in every row")
        if len(distinct) > MAX_LABELS:
            return Column(name, "id", f"{len(distinct)} different texts; say category to use it")
    if all(_is_symbol(cell) for cell in distinct):
        return Column(name, "category", "bare symbols of elements; say formula to use chemistry")
    return Column(name, "category")


def _counts_as_number(cell: str) -> bool:
    return as_number(cell) is not None or as_bound(cell) is not None or is_infinite(cell)


def _last_word(name: str) -> str:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|#", name)
    return words[-1].lower() if words else ""


def _is_numbered(name: str, known: Sequence[str]) -> bool:
    """Whole numbers under `ICSD ID`; or a counter: all different, under `entry` or the like."""
    by_header = name.strip().lower() in _IDS_BY_HEADER and len(set(known)) == len(known)
    if not by_header and _last_word(name) not in _IDS_BY_LAST_WORD:
        return False
    numbers = [as_number(cell) for cell in known]
    return all(number is not None and number.is_integer() for number in numbers)


def _are_structures(distinct: set[str], folder: Path) -> bool:
    """At least half hold JSON or name files that are there. (The others are mistakes, to be named by
    row.)"""
    held = {cell for cell in distinct if is_structure_json(cell)}
    if not all(names_structure(cell) for cell in distinct - held):
        return False
    files = sum(
        1 for cell in distinct - held if os.path.isfile(folder / cell)
    )  # quiet on odd names
    there = len(held) + files
    return 2 * there >= len(distinct)


def is_structure_json(cell: str) -> bool:
    """Whether a cell holds a structure in pymatgen's JSON, rather than a file's name."""
    return cell.startswith("{") and '"lattice"' in cell and '"sites"' in cell


def names_structure(cell: str) -> bool:
    """Whether a file of that name is one of a single structure: CIF, POSCAR or JSON."""
    last = cell.replace("\\", "/").rpartition("/")[2]
    return last.lower().endswith(_STRUCTURE_SUFFIXES) or last.startswith(("POSCAR", "CONTCAR"))


def are_formulas(distinct: set[str]) -> bool:
    """Whether nearly all parse, and at least half are beyond confusion with a word or a code.

    `No`, `C`, `B1`, `P2`, `ON`, `OFF` parse as well: beyond confusion is what has two elements or
    more, and a digit or a symbol of two letters.
    """
    shaped = [cell for cell in distinct if _LOOKS_LIKE_FORMULA.fullmatch(cell)]
    if len(shaped) < _FORMULA_SHARE * len(distinct):
        return False
    from matscout.data.formula import is_formula, misread

    # What would be misread is meant for one: its row is refused, and not its column taken for words.
    parsed = [cell for cell in shaped if is_formula(cell) or misread(cell)]
    if len(parsed) < _FORMULA_SHARE * len(distinct):
        return False
    return 2 * sum(map(_beyond_confusion, parsed)) >= len(distinct)


def _beyond_confusion(formula: str) -> bool:
    from matscout.data.formula import amounts, misread

    if misread(formula):
        return True
    return len(amounts(formula)) > 1 and any(c.isdigit() or c.islower() for c in formula)


def _is_symbol(cell: str) -> bool:
    if not re.fullmatch(r"[A-Z][a-z]?", cell):
        return False
    from matscout.data.formula import is_formula

    return is_formula(cell)
