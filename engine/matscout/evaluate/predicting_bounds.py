"""Intervals and sets that a new measurement falls into as often as they say, from what models said of
rows that they were not trained on.

CV+: R. F. Barber, E. J. Candès, A. Ramdas, R. J. Tibshirani, "Predictive inference with the jackknife+",
Ann. Stat. 49, 486 (2021), equation 3.1; for classes Y. Romano, M. Sesia, E. J. Candès,
"Classification with valid and adaptive coverage", NeurIPS 2020, equation 11, with the score 1 - p of
M. Sadinle, J. Lei, L. Wasserman, J. Am. Stat. Assoc. 114, 223 (2019). A single holdout makes it split
conformal prediction. For rows drawn like the table's, coverage at level 1 - a is at least 1 - 2a (less
a term that falls with the rows), and about 1 - a in practice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matscout.evaluate.predicting import FoldGuess
from matscout.surrogate.conformal_quantile import lower_of_each, rank, upper_of_each

Array = NDArray[np.float64]

_ENTRIES = 2_000_000  # of a table of new rows x judged rows held at once: 16 MB


def enough(folds: Sequence[FoldGuess], level: float) -> bool:
    """Whether that many judged rows can promise a finite interval at that level."""
    count = sum(len(fold.judged) for fold in folds)
    return count > 0 and rank(count, level) <= count


def rows_needed(level: float) -> int:
    """Judged rows from which on `enough` holds: the least n with ⌈level (n + 1)⌉ <= n."""
    return math.ceil(level / (1.0 - level) - 1e-9)


def intervals(
    folds: Sequence[FoldGuess], truth: Array, middle: Array, level: float
) -> tuple[Array, Array]:
    """Ends (m,), (m,) around the predictions `middle` (m,), which always lie inside; `truth` (n,) are
    the targets of all training rows. NaN where there are too few rows for the level.
    """
    if not enough(folds, level):
        return np.full(len(middle), math.nan), np.full(len(middle), math.nan)
    errors = np.concatenate([np.abs(truth[f.judged] - f.of_judged.seen) for f in folds])
    fold = np.repeat(np.arange(len(folds)), [len(f.judged) for f in folds])
    said = np.stack([f.of_new.seen for f in folds], axis=1)
    low, high = np.empty(len(middle)), np.empty(len(middle))
    for start in range(0, len(middle), max(1, _ENTRIES // len(errors))):
        part = slice(start, start + max(1, _ENTRIES // len(errors)))
        each = said[part][:, fold]
        low[part] = lower_of_each(each - errors, level)
        high[part] = upper_of_each(each + errors, level)
    return np.minimum(low, middle), np.maximum(high, middle)


def label_sets(folds: Sequence[FoldGuess], truth: Array, labels: Array, level: float) -> Array:
    """Which labels the new rows may have, (m, classes) of bool; the predicted one `labels` (m,) always.

    With too few rows for the level, all of them.
    """
    count = sum(len(fold.judged) for fold in folds)
    first = folds[0].of_new.chances
    assert first is not None
    better = np.zeros(first.shape, dtype=np.int64)
    for fold in folds:
        own, new = fold.of_judged.chances, fold.of_new.chances
        assert own is not None and new is not None
        scores = 1.0 - own[np.arange(len(own)), truth[fold.judged].astype(int)]
        better += np.searchsorted(np.sort(scores), 1.0 - new, side="left")
    # Fewer than ⌈level (n + 1)⌉ scores below its own: the label is not among the strangest.
    within = better < rank(count, level)
    within[np.arange(len(labels)), labels.astype(int)] = True
    return np.asarray(within)
