"""The best compromises between several targets that a run has found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matscout.history import History
from matscout.propose.observations import feasible, value_of
from matscout.propose.replicates import pooled
from matscout.trial import Trial


def front_of(history: History) -> list[Trial]:
    """The feasible points that no other one dominates, by the means over their measurements; the
    best by the first target first. Of equal points all; with one target the best."""
    points = [t for t in pooled(history.completed) if feasible(history, t)]
    rows = [[value_of(t, target) for target in history.targets] for t in points]
    whole = [i for i, row in enumerate(rows) if None not in row]
    if not whole:
        return []
    signs = [target.sign for target in history.targets]
    Y = np.array([rows[i] for i in whole], dtype=float) * signs
    kept = np.flatnonzero(non_dominated(Y))
    order = kept[np.lexsort((kept, *(-Y[kept, ::-1].T)))]
    return [points[whole[i]] for i in order.tolist()]


def first_on_front(history: History) -> set[int]:
    """The ids of the trials on the front; of equal points the earliest alone."""
    found: dict[tuple[float | None, ...], int] = {}
    for trial in front_of(history):
        found.setdefault(tuple(value_of(trial, t) for t in history.targets), trial.id)
    return set(found.values())


def non_dominated(Y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows of Y (n, m), more is better, no other row matches everywhere and beats somewhere:
    (n,). In NumPy alone, for `status` must not wait for torch."""
    left = np.argsort(-Y.sum(axis=1), kind="stable")
    on_front = np.zeros(len(Y), dtype=bool)
    while len(left):
        row = Y[left[0]]
        # Sums round: the first of what is left may be beaten by one whose sum is the same.
        beaten_by = (Y[left] >= row).all(axis=1) & (Y[left] > row).any(axis=1)
        on_front[left[0]] = not beaten_by.any()
        left = left[1:][(Y[left[1:]] > row).any(axis=1) | (Y[left[1:]] == row).all(axis=1)]
    return on_front
