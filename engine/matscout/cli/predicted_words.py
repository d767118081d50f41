"""How far to trust what was predicted, in words and for JSON: of rows and of crystals alike."""

from __future__ import annotations

import math

from matscout.evaluate.predicting_bounds import rows_needed
from matscout.report.markup import number


def bounds(
    task: str, level: float, wide: float, *, one: str, many: str, of: str, beside: str = ""
) -> str:
    """What the intervals (classes: the sets) hold, `wide` in the median (on average). `one` of `many`
    things like those `of` the run; `beside` names what is predicted, where that is several numbers."""
    told = f"{level:.4g}"
    if task == "classification":
        return (
            f"sets (CV+): hold the class of a {one} like those of the {of} with probability {told};"
            f" {number(wide)} classes on average"
        )
    if not math.isfinite(wide):
        return f"no intervals{beside}: {told} needs {rows_needed(level)} judged {many} or more"
    return (
        f"intervals{beside} (CV+): hold the value of a {one} like those of the {of} with probability"
        f" {told}; {number(wide)} wide (median)"
    )


def score_told(score: float) -> str:
    """Of one class alone, say, some metrics are not defined."""
    return number(score) if math.isfinite(score) else "not defined"


def finite(value: float | None) -> float | None:
    """JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None
