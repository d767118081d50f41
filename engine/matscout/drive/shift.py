"""What models lose on a kind of material that they have not seen: on clusters left out whole."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matscout.drive.left_behind import Predictions
from matscout.drive.nested_select import predicted
from matscout.evaluate.clusters_left_out import clusters_left_out
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models.shift import Degradation, pdr
from matscout.trial import Params

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClusterError:
    """Mean absolute errors on the `rows` rows of one cluster: `inside` by models that had seen others of
    it, `outside` by models that had seen none.
    """

    rows: int
    inside: float
    outside: float


@dataclass(frozen=True)
class Shift:
    """`ratio` is over all rows that both judge; `clusters`, found by `by`, the worst first; `unjudged`
    rows are in no cluster.
    """

    ratio: Degradation
    clusters: tuple[ClusterError, ...]
    by: str
    unjudged: int


def shift_of(
    trainer: TabularTrainer,
    members: Sequence[tuple[Params, int]],
    rows: Array,
    errors: Array,
    jobs: int = 1,
) -> Shift:
    """Of the mean prediction of `members`, params with their seeds, for a target that is a number.

    `errors` (n,) are its own on the rows `rows` (n,) of the table, in the target's unit, by models that
    were trained on others drawn at random. InputError where the rows make no clusters; ValueError or
    OSError where a member's predictions are no numbers or cannot be kept for a moment.
    """
    other = clusters_left_out(trainer)
    folds, numbers = other.data.folds, other.data.rows  # read once, before the threads
    with tempfile.TemporaryDirectory(prefix="matscout-loco-") as scratch:

        def fit(place: int) -> Predictions:
            return predicted(other, *members[place], Path(scratch) / str(place))

        with ThreadPoolExecutor(jobs) as pool:
            found = list(pool.map(fit, range(len(members))))
    judged, truth, _ = found[0]
    beyond = np.abs(np.mean([guess for _, _, guess in found], axis=0) - truth)
    outside = dict(zip(judged.astype(int).tolist(), beyond.tolist(), strict=True))
    inside = dict(zip(rows.astype(int).tolist(), np.abs(errors).tolist(), strict=True))
    clusters, both = [], []
    for _, judge in folds:
        own = [row for row in numbers[judge].tolist() if row in inside and row in outside]
        both += own
        if own:
            means = (float(np.mean([of[row] for row in own])) for of in (inside, outside))
            clusters.append(ClusterError(len(own), *means))
    ratio = pdr(
        np.array([inside[row] for row in both]),
        np.array([outside[row] for row in both]),
        paired=True,
    )
    worst = sorted(clusters, key=lambda one: -one.outside)
    return Shift(ratio, tuple(worst), other.clusters, len(rows) - len(both))
