"""A value and how far it may be off, rounded so that both end at the same place."""

from __future__ import annotations

import math


def rounded_together(value: float, error: float) -> tuple[str, str]:
    """The error (a standard error or sd) with two digits, the value with as many places; where that
    would be none, or more than six, or there is no error, each with the digits that it bears."""
    if error > 0.0:
        error = float(f"{error:.2g}")  # .0996 is .10: it has a place less than it seems to have
        places = 1 - math.floor(math.log10(error))
        if 0 <= places <= 6 and abs(value) < 1e6:
            return f"{value:.{places}f}", f"{error:.{places}f}"
    return f"{value:.6g}", f"{error:.2g}"
