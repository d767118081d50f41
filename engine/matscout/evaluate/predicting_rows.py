"""New rows of a table, read as the training rows were, with a word on each that is unlike them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from matscout.data.censored_cut import is_above
from matscout.data.columns import as_bound
from matscout.data.composition import element_fractions
from matscout.data.decimal_comma import refuse_decimal_commas
from matscout.data.formula import amounts, symbol
from matscout.data.no_square import refuse_no_square
from matscout.data.one_name import same_name
from matscout.data.structure_column import structure_column
from matscout.data.text_table import TextTable, as_number, is_missing, read_text_table
from matscout.errors import InputError, did_you_mean
from matscout.evaluate.tabular_data import TabularData
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models import tabular
from matscout.models.columns import formula_blocks
from matscout.models.hyperparameters import PrepareSettings

Array = NDArray[np.float64]

FAR = 0.95
"""A row is far where its nearest training row is further off than is usual: than it is, among the
training rows, for this share of them. The usual choice for a nearest-neighbour domain (Sahigara et
al., J. Cheminform. 5, 27 (2013)); so one training-like row in twenty is called far."""


@dataclass(frozen=True)
class NewRows:
    """m rows. `x` (m, d) has the columns of `data.columns.x`. `truth` (m,) is what the
    target's column says, NaN where a cell is empty; None without such a column. `warnings` (m,) say
    in what a row lies outside what was learned from; empty text: in nothing.
    """

    text: TextTable
    x: Array
    truth: Array | None
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.x)


def read_new_rows(
    path: Path, trainer: TabularTrainer, data: TabularData, only: Sequence[int] | None = None
) -> NewRows:
    """InputError for a file without rows or without an input column, for a word or a decimal
    comma among numbers, for what is no formula or structure, and for a target cell that cannot be
    compared, with its line.
    `only`: the numbers of the rows that are meant, if not all.
    """
    raw = read_text_table(path)
    if only is not None:
        raw = raw.only(only)
    table = data.table
    warnings: list[list[str]] = [[] for _ in raw.rows]
    parts: list[Array] = []
    for name, known in table.numeric.items():
        numbers = _numbers(raw, name)
        _warn_of_numbers(warnings, name, numbers, known)
        parts.append(numbers[:, None])
    blocks: Iterable[Array] = ()
    told = raw
    for name in trainer.formulas:
        cells = raw.column(name)
        if name == trainer.structures:
            crystals = structure_column(raw, name, path.parent, trainer.structure_cache)
            cells, blocks = list(crystals.formulas), crystals.blocks.values()
            told = _named(raw, name, cells)
        learned = [str(cell) for cell in table.categorical[name]]
        elements = element_fractions(learned)[0]
        _warn_of_elements(warnings, raw, name, cells, elements)
        parts += formula_blocks(cells, elements, bonding=data.columns.bonding).values()
    parts += blocks
    for name, words in table.categorical.items():
        if name not in trainer.formulas:
            parts.append(_words(raw, name, words.astype(str), warnings)[:, None])
    x = np.hstack(parts)
    for row in _far(data, x):
        if not warnings[row]:
            warnings[row].append("far from every training row")
    truth = _truth(raw, trainer, data) if trainer.predict in raw.header else None
    return NewRows(told, x, truth, tuple("; ".join(said) for said in warnings))


def _numbers(raw: TextTable, name: str) -> Array:
    refuse_decimal_commas(raw, name)
    out = np.full(len(raw.rows), math.nan)
    for row, cell in enumerate(raw.column(name)):
        number = as_number(cell)
        if number is None and not is_missing(cell):
            what = f"'{cell:.40}' among the numbers of column '{name}'"
            raise InputError(raw.at(row), what, "mend it, or leave the cell empty")
        if number is not None:
            out[row] = number
    refuse_no_square(raw, name, out.tolist(), "column")
    return out


def _warn_of_numbers(warnings: list[list[str]], name: str, new: Array, known: Array) -> None:
    if np.isnan(known).all():
        return
    low, high, whole = np.nanmin(known), np.nanmax(known), not np.isnan(known).any()
    for row, value in enumerate(new.tolist()):
        if math.isnan(value):
            if whole:
                warnings[row].append(f"{name} is missing")
        elif value < low:
            warnings[row].append(f"{name} = {value:g} is below {low:g}")
        elif value > high:
            warnings[row].append(f"{name} = {value:g} is above {high:g}")


def _named(raw: TextTable, name: str, formulas: list[str]) -> TextTable:
    """The table with formulas in place of structures that are written out in their cells."""
    place = raw.header.index(name)
    rows = (
        (*row[:place], formula, *row[place + 1 :]) if row[place].startswith("{") else row
        for row, formula in zip(raw.rows, formulas, strict=True)
    )
    return replace(raw, rows=tuple(rows))


def _warn_of_elements(
    warnings: list[list[str]],
    raw: TextTable,
    name: str,
    cells: list[str],
    elements: Sequence[str],
) -> None:
    """InputError for a cell that is no formula."""
    for row, cell in enumerate(cells):
        try:
            found = [symbol(z) for z, _ in amounts(cell)]
        except ValueError as error:
            what = str(error) if cell else f"no formula in column '{name}'"
            raise InputError(raw.at(row), what, "mend it, or drop the row") from None
        warnings[row] += [f"element {e} never seen" for e in found if e not in elements]


def _words(raw: TextTable, name: str, known: NDArray[np.str_], warnings: list[list[str]]) -> Array:
    """The codes of the training rows; a word of none of them gets one that none has."""
    codes = {str(word): float(code) for code, word in enumerate(np.unique(known))}
    out = np.full(len(raw.rows), math.nan)
    for row, cell in enumerate(raw.column(name)):
        word = "" if is_missing(cell) else cell
        if word:
            out[row] = codes.get(word, float(len(codes)))
        if word not in codes:
            said = f"{name} '{word:.40}' never seen" if word else f"{name} is missing"
            warnings[row].append(said)
    return out


def _far(data: TabularData, x: Array) -> Iterable[int]:
    """Rows whose nearest training row is far, by inputs imputed, scaled and one-hot."""
    known = data.columns.x
    prepare = tabular.preparation(data.columns, PrepareSettings()).fit(known)
    near = NearestNeighbors(n_neighbors=1).fit(prepare.transform(known))
    usual = np.quantile(near.kneighbors()[0][:, 0], FAR)
    found = near.kneighbors(prepare.transform(x))[0][:, 0]
    return np.flatnonzero(found > usual + 1e-9).tolist()


def _truth(raw: TextTable, trainer: TabularTrainer, data: TabularData) -> Array | None:
    cells = raw.column(trainer.predict)
    out = np.full(len(cells), math.nan)
    for row, cell in enumerate(cells):
        if not is_missing(cell):
            out[row] = _one_truth(raw, row, cell, trainer, data.table.classes)
    return None if np.isnan(out).all() else out


def _one_truth(
    raw: TextTable, row: int, cell: str, trainer: TabularTrainer, classes: tuple[str, ...]
) -> float:
    name = trainer.predict
    if trainer.task == "classification" and trainer.cut is None:
        label = same_name(cell, classes)
        if label not in classes:
            what = f"no training row has the class '{cell:.40}' of '{name}'"
            raise InputError(raw.at(row), what, did_you_mean(cell, classes))
        return float(classes.index(label))
    number = as_number(cell)
    if number is None and trainer.censored == "bound":
        number = as_bound(cell)
    if number is None:
        what = f"target '{name}' must be a finite number or empty, got '{cell:.40}'"
        raise InputError(raw.at(row), what, "mend it, or leave the cell empty")
    return number if trainer.cut is None else float(is_above(raw, row, name, trainer.cut))
