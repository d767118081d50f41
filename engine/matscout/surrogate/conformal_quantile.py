"""The order statistics of conformal prediction (Barber et al. 2021, section 1.1).

At level 1 - a, of n values: q+ is the ⌈(1 - a)(n + 1)⌉-th smallest, +∞ where that exceeds n; q- is
the ⌊a (n + 1)⌋-th smallest, -∞ where that is 0. So q- of v is minus q+ of -v.
"""

from __future__ import annotations

import math

import numpy as np

_ROUNDING = 1e-9  # 0.9 * 20 is 18.000000000000004 in floats; its ceiling has to be 18


def rank(n: int, level: float) -> int:
    """⌈level (n + 1)⌉, counted from 1; n + 1 stands for infinity."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"0 < level < 1 must hold, got {level}")
    return max(1, math.ceil(level * (n + 1) - _ROUNDING))


def upper(values: np.ndarray, level: float) -> float:
    """q+ of values (n,)."""
    place = rank(len(values), level)
    return float(np.partition(values, place - 1)[place - 1]) if place <= len(values) else math.inf


def upper_of_each(values: np.ndarray, level: float) -> np.ndarray:
    """q+ of each row of values (b, n), which must have rows enough: (b,)."""
    place = rank(values.shape[1], level)
    return np.partition(values, place - 1, axis=1)[:, place - 1]


def lower_of_each(values: np.ndarray, level: float) -> np.ndarray:
    """q- of each row: (b, n) -> (b,)."""
    return -upper_of_each(-values, level)
