"""Folds along the sorted target: can a model say anything about values beyond those it has seen?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from sklearn.model_selection import KFold

from matscout.data.splits import WHERE, Fold
from matscout.errors import InputError, did_you_mean

Groups = Sequence[object] | np.ndarray | None
TOWARD = ("high", "low")


def sorted_ends(y: np.ndarray, folds: int, groups: Groups = None) -> list[Fold]:
    """The two end folds of a k-fold over the sorted targets `y`, (n,): the lowest, then the highest.

    The sorted half of ROBERT's objective (Dalmau & Alegre-Requena, WIREs Comput. Mol. Sci. 14,
    e1733 (2024); its form for low data: Dalmau, Sigman & Alegre-Requena, Chem. Sci. 16, 8555
    (2025)). Equal targets keep the order of the rows, as in ROBERT's code. With `groups` whole
    groups are sorted, by their mean. Raises InputError for fewer rows or groups than folds.
    """
    blocks = _blocks(y, folds, groups)
    return [
        _fold(np.concatenate(blocks[1:]), blocks[0]),
        _fold(np.concatenate(blocks[:-1]), blocks[-1]),
    ]


def sorted_forward(
    y: np.ndarray, folds: int, toward: str = "high", groups: Groups = None, step: int = 1
) -> list[Fold]:
    """`folds` - `step` folds: trained on all blocks so far, judged by the one `step` further on
    `toward` high or low; those between are left out.

    k-fold-m-step forward cross-validation, k `folds` and m `step`: Xiong et al., Comput. Mater. Sci.
    171, 109203 (2020). Raises InputError for a step that leaves no fold.
    """
    if toward not in TOWARD:
        raise InputError(f"{WHERE}.toward", f"no way is '{toward}'", did_you_mean(toward, TOWARD))
    blocks = _blocks(y, folds, groups)
    if not 1 <= step < folds:
        raise InputError(
            f"{WHERE}.step", f"must lie in 1 to {folds - 1} for {folds} folds, got {step!r}"
        )
    if toward == "low":
        blocks.reverse()
    return [
        _fold(np.concatenate(blocks[:k]), blocks[k + step - 1]) for k in range(1, folds - step + 1)
    ]


def _blocks(y: np.ndarray, folds: int, groups: Groups) -> list[np.ndarray]:
    """Rows in `folds` blocks of ascending targets, as even as k-fold makes them."""
    unit, level = np.arange(len(y)), np.asarray(y, dtype=float)
    what: Literal["rows", "groups"] = "rows"
    if groups is not None:
        _, unit = np.unique(np.array([str(g) for g in groups]), return_inverse=True)
        level, what = np.bincount(unit, weights=y) / np.bincount(unit), "groups"
    if folds < 2:
        raise InputError(WHERE, f"folds must be at least 2, got {folds}")
    if len(level) < folds:
        raise InputError(WHERE, f"{len(level)} {what} do not make {folds} folds", "use fewer folds")
    order = np.argsort(level, kind="stable")
    return [np.flatnonzero(np.isin(unit, order[part])) for _, part in KFold(folds).split(order)]


def _fold(train: np.ndarray, judge: np.ndarray) -> Fold:
    return np.sort(train), np.sort(judge)
