"""Predictions for training rows by models that had not seen them: folds inside the training fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

Fold = tuple[np.ndarray, np.ndarray]


class TakesBeside:
    """Of estimators whose `fit` also takes what a row has beside inputs and label: `groups` (n,), or
    None, which inner folds keep whole; `amounts` (n,), or None, the number that the label was cut
    from.
    """


def fit_beside(
    estimator: Any,
    x: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray | None = None,
    amounts: np.ndarray | None = None,
) -> Any:
    """`estimator` fitted; `groups` and `amounts` reach it if it takes them."""
    if isinstance(estimator, TakesBeside):
        return estimator.fit(x, y, groups=groups, amounts=amounts)  # type: ignore[attr-defined]
    return estimator.fit(x, y)


def inner_folds(
    labels: np.ndarray, groups: np.ndarray | None, count: int, seed: int | None
) -> list[Fold] | None:
    """`count` folds with equal shares of the labels (n,), as many fewer as the rarest has rows (with
    `groups`, groups); None where a fold would train without one of the labels.
    """
    rows = np.zeros(len(labels))
    if groups is None:
        count = min(count, int(np.unique(labels, return_counts=True)[1].min()))
        if count < 2:
            return None
        maker = StratifiedKFold(count, shuffle=True, random_state=seed)
        return list(maker.split(rows, labels))
    codes = np.unique(np.array([str(g) for g in groups]), return_inverse=True)[1]
    count = min(count, *(len(np.unique(codes[labels == k])) for k in np.unique(labels)))
    if count < 2:
        return None
    # Unshuffled: shuffling balances the labels worse, and the folds need no luck.
    folds = list(StratifiedGroupKFold(count).split(rows, labels, codes))
    every = len(np.unique(labels))
    whole = all(len(np.unique(labels[train])) == every and len(judge) for train, judge in folds)
    return folds if whole else None


def number_folds(
    rows: int, groups: np.ndarray | None, count: int, seed: int | None
) -> list[Fold] | None:
    """`count` folds of a target without labels, as many fewer as leave two rows (with `groups`, two
    groups) in each; None below four of them, where a fold would train on one.
    """
    codes = None
    if groups is not None:
        codes = np.unique(np.array([str(g) for g in groups]), return_inverse=True)[1]
    count = min(count, (rows if codes is None else len(np.unique(codes))) // 2)
    if count < 2:
        return None
    if codes is None:
        return list(KFold(count, shuffle=True, random_state=seed).split(np.zeros(rows)))
    return list(GroupKFold(count).split(np.zeros(rows), groups=codes))


def out_of_fold(
    estimator: Any,
    x: np.ndarray,
    y: np.ndarray,
    folds: list[Fold],
    said: Callable[[Any, np.ndarray], np.ndarray],
    groups: np.ndarray | None = None,
    amounts: np.ndarray | None = None,
) -> np.ndarray:
    """(n,) or (n, k): what `said(fitted, inputs)` says of each row, by the clone of `estimator` that
    had not seen it.
    """
    found: np.ndarray | None = None
    for train, judge in folds:
        own = fit_beside(
            clone(estimator), x[train], y[train],
            None if groups is None else groups[train],
            None if amounts is None else amounts[train],
        )  # fmt: skip
        one = said(own, x[judge])
        if found is None:
            found = np.full((len(y), *one.shape[1:]), np.nan)
        found[judge] = one
    assert found is not None
    return found
