"""A table's inputs side by side, in named blocks, and what is done to them inside a training fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

from matscout.data.bonding import bonding_features
from matscout.data.composition import composition_features, element_fractions
from matscout.data.formula import amounts
from matscout.errors import InputError, did_you_mean
from matscout.models.hyperparameters import PrepareSettings

MAX_CATEGORIES = 64
"""Columns that one column of words may become; rarer words share the last. A column of formulas
would otherwise become as many columns as there are rows."""

FRACTIONS, STATISTICS, BONDING = "fractions", "statistics", "bonding"
"""Blocks that are made of a column of formulas; several columns make `fractions:NAME` each."""

_OF_FORMULAS = (FRACTIONS, STATISTICS, BONDING)
_SEEN = {
    "all": (FRACTIONS, STATISTICS),
    "fractions": (FRACTIONS,),
    "statistics": (STATISTICS,),
    "bonding": _OF_FORMULAS,
}
"""The blocks of formulas that a model sees, by `features`."""

_SCALERS: dict[str, Callable[[], Any]] = {"standard": StandardScaler, "robust": RobustScaler}

Block = tuple[str, int, int]
"""Name, first column, and the one after the last."""


@dataclass(frozen=True)
class Columns:
    """`x` (n, d): `numbers` columns of numbers first, then words as codes; NaN where missing.

    `blocks` names ranges of the numbers; those in no block are one more, `numbers`.
    """

    x: np.ndarray
    numbers: int
    blocks: tuple[Block, ...] = ()

    @property
    def bonding(self) -> bool:
        """Whether that block is there."""
        return any(_source(block) == BONDING for block in self.blocks)


def columns(
    numeric: Mapping[str, np.ndarray],
    words: Mapping[str, np.ndarray],
    formulas: Sequence[str] = (),
    more: Mapping[str, np.ndarray] | None = None,
    *,
    bonding: bool = True,
) -> Columns:
    """Inputs side by side. Codes only rename words, "" (missing) becomes NaN; nothing is fitted.

    The words named in `formulas` are chemical formulas, and become the blocks of `formula_blocks` (no
    other row changes a fraction; one that only judged rows have is constant in training); `bonding`
    is needed where `wants_bonding`. `more` are blocks made elsewhere, by name, (n, k) each: CHGNet's
    features of a crystal, say. InputError for a cell that is no formula.
    """
    for name in formulas:
        if name not in words:
            mend = did_you_mean(name, words) if words else "name a column of words"
            raise InputError("formulas", f"'{name}' is no column of words", mend)
    parts = [np.asarray(values, dtype=float)[:, None] for values in numeric.values()]
    blocks: list[Block] = []
    start = len(parts)
    made = {**_of_formulas(words, formulas, bonding), **(more or {})}
    for block, values in made.items():
        blocks.append((block, start, start + values.shape[1]))
        start += values.shape[1]
        parts.append(np.asarray(values, dtype=float))
    for name, cells in words.items():
        if name in formulas:
            continue
        codes = np.unique(cells.astype(str), return_inverse=True)[1].astype(float)
        codes[cells == ""] = np.nan
        parts.append(codes[:, None])
    return Columns(np.hstack(parts), start, tuple(blocks))


def formula_blocks(
    cells: Sequence[str], elements: Sequence[str] | None = None, *, bonding: bool
) -> dict[str, np.ndarray]:
    """What models are shown of formulas, (n, k) each, in this order: the fraction of each of `elements`
    (if None: of each that occurs), statistics of the elements' properties and, with `bonding`, what
    the elements may do together (data/bonding.py). ValueError for a cell that is no formula.
    """
    there, fractions = element_fractions(cells)
    if elements is not None:
        by_element = dict(zip(there, fractions.T, strict=True))
        zero = np.zeros(len(cells))
        columns = [by_element.get(one, zero) for one in elements]
        fractions = np.stack(columns, axis=1)
    made = {FRACTIONS: fractions, STATISTICS: composition_features(cells)[1]}
    if bonding:
        made[BONDING] = bonding_features(cells)[1]
    return made


def wants_bonding(params: Mapping[str, Any]) -> bool:
    """Whether a model of these params, or one inside it, is shown that block."""
    return any(
        name.rpartition(".")[2] == "features" and value == BONDING for name, value in params.items()
    )


def _of_formulas(
    words: Mapping[str, np.ndarray], formulas: Sequence[str], bonding: bool
) -> dict[str, np.ndarray]:
    made: dict[str, np.ndarray] = {}
    for name in formulas:
        tail = f":{name}" if len(formulas) > 1 else ""
        cells = [str(cell) for cell in words[name]]
        try:
            own = formula_blocks(cells, bonding=bonding)
        except ValueError as error:
            what = _first_wrong(cells) or str(error)
            raise InputError(f"column '{name}'", what, "mend it, or drop the row") from None
        made |= {block + tail: values for block, values in own.items()}
    return made


def _first_wrong(cells: Sequence[str]) -> str:
    """The first cell that is no formula, with its row; empty where each of them is one."""
    for row, cell in enumerate(cells, 1):
        if not cell:
            return f"row {row} has no formula"
        try:
            amounts(cell)
        except ValueError as error:
            return f"row {row}: {error}"
    return ""


def kept(data: Columns, settings: PrepareSettings) -> list[Block]:
    """The blocks of numbers that `settings.features` leaves, as ranges of `data.x`: first those
    outside all blocks, one column each. InputError where it chooses and there are no formulas.
    """
    inside = {column for _, start, stop in data.blocks for column in range(start, stop)}
    alone = [("numbers", j, j + 1) for j in range(data.numbers) if j not in inside]
    named = list(data.blocks)
    seen = _SEEN[settings.features]
    if settings.features != "all" and not any(_source(block) in _OF_FORMULAS for block in named):
        what = f"'{settings.features}' are of formulas, and no column of them was named"
        raise InputError("params.features", what, "name one under formulas, or leave it out")
    if BONDING in seen and not data.bonding:
        raise ValueError("columns were made without the block that these settings ask for")
    named = [b for b in named if _source(b) not in _OF_FORMULAS or _source(b) in seen]
    return [*alone, *named]


def _source(block: Block) -> str:
    return block[0].split(":")[0]


def prepared_blocks(data: Columns, settings: PrepareSettings) -> tuple[Block, ...]:
    """The blocks as `preparation` puts them side by side: name, first column and the one after the
    last; the words, one-hot, come last, and end at -1 (how many there are the training rows say).
    """
    found: dict[str, list[int]] = {}
    place = 0
    for name, start, stop in kept(data, settings):
        ends = found.setdefault(name, [place, place])
        place += stop - start
        ends[1] = place
    blocks = [(name, first, last) for name, (first, last) in found.items()]
    if data.x.shape[1] > data.numbers:
        blocks.append(("words", place, -1))
    return tuple(blocks)


def preparation(data: Columns, settings: PrepareSettings) -> ColumnTransformer:
    """Impute and scale the numbers, one-hot the words (a missing word is a word of its own)."""
    return ColumnTransformer(
        [
            ("numbers", _numbers(settings), _places(data, settings)),
            ("words", _one_hot(), list(range(data.numbers, data.x.shape[1]))),
        ]
    )


def sampled_preparation(
    data: Columns, settings: PrepareSettings, sampler: Any
) -> list[tuple[str, Any]]:
    """`preparation` as steps of a pipeline whose `sampler` sees words as codes, one-hot after it:
    SMOTE-NC takes the commonest word of a row's neighbours, where SMOTE would mix words.
    """
    places = _places(data, settings)
    words = list(range(data.numbers, data.x.shape[1]))
    if not words:
        return [("prepare", preparation(data, settings)), ("resample", sampler)]
    known = SimpleImputer(strategy="constant", fill_value=-1.0)
    coded = ColumnTransformer([("numbers", _numbers(settings), places), ("words", known, words)])
    wide = len(places)
    spread = ColumnTransformer(
        [
            ("numbers", "passthrough", list(range(wide))),
            ("words", _one_hot(), list(range(wide, wide + len(words)))),
        ]
    )
    sampler.set_params(words_from=wide)
    return [("prepare", coded), ("resample", sampler), ("spread", spread)]


def _places(data: Columns, settings: PrepareSettings) -> list[int]:
    return [j for _, start, stop in kept(data, settings) for j in range(start, stop)]


def _numbers(settings: PrepareSettings) -> Pipeline:
    steps: list[tuple[str, Any]] = [
        ("impute", SimpleImputer(strategy=settings.imputer, keep_empty_features=True))
    ]
    if settings.scaler != "none":
        steps.append(("scale", _SCALERS[settings.scaler]()))
    return Pipeline(steps)


def _one_hot() -> OneHotEncoder:
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False
    )
