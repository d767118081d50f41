"""The folds behind running means: what trainers report is the mean of the folds so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def folds_behind(means: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """means (n,) after 1, 2, … folds -> each fold's own value, (n,): k m_k - (k - 1) m_(k-1)."""
    sums = np.asarray(means, dtype=float) * np.arange(1, len(means) + 1)
    return np.diff(sums, prepend=0.0)
