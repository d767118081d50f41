"""Folds along time: is a model that was trained on what came first right about what came later?"""

from __future__ import annotations

import numpy as np

from matscout.data.sorted_folds import sorted_forward
from matscout.data.splits import WHERE, Fold
from matscout.errors import InputError


def time_ordered(times: np.ndarray, folds: int, step: int = 1) -> list[Fold]:
    """`folds` - `step` folds over blocks of ascending `times`, (n,): trained on all blocks so far, and
    judged by the one `step` further on. Rows of one moment (a day, a batch) are in one block.

    Forecasters call it a rolling origin: Tashman, Int. J. Forecast. 16, 437 (2000). Raises
    InputError for fewer different times than folds.
    """
    if not np.isfinite(times).all():
        raise InputError(WHERE, f"row {int(np.flatnonzero(~np.isfinite(times))[0])} has no time")
    # Whole moments: what was made together shares its luck, and is known together.
    return sorted_forward(times, folds, "high", [repr(float(t)) for t in times], step)
