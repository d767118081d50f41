"""Where a model is right and where it is wrong: scores by class, or by decile of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import mean_absolute_error, precision_recall_fscore_support

from matscout.errors import one_line

DECILES = 10
MOST_CLASSES = 20


def by_class(truth: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """`precision.NAME`, `recall.NAME` and `f1.NAME` of every class of `classes`, for true and
    predicted places in it, (n,). A class that is never predicted has precision 0. Empty for more
    than `MOST_CLASSES` classes, and where a prediction is not finite.
    """
    if len(classes) > MOST_CLASSES or not np.isfinite(labels).all():
        return {}
    places = list(range(len(classes)))
    found = precision_recall_fscore_support(
        truth.astype(int), labels.astype(int), labels=places, zero_division=0.0
    )
    names = [one_line(name)[:40] for name in classes]
    return {
        f"{what}.{name}": float(value)
        for what, values in zip(("precision", "recall", "f1"), found, strict=False)
        for name, value in zip(names, values, strict=True)
    }


def by_decile(truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """`mae.decile_1` … `mae.decile_10`: the mean absolute error over the rows with the lowest tenth
    of true values, and so on up, for values (n,). A decile without a row is left out; empty where a
    prediction is not finite.
    """
    if not np.isfinite(guess).all():
        return {}
    place = decile_of(truth)
    return {
        f"mae.decile_{k + 1}": float(mean_absolute_error(truth[place == k], guess[place == k]))
        for k in range(DECILES)
        if (place == k).any()
    }


def decile_of(truth: np.ndarray) -> np.ndarray:
    """The tenth that each value is in, (n,), 0 the lowest; equal values share one."""
    edges = np.quantile(truth, np.linspace(0, 1, DECILES + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, truth, side="right"))
