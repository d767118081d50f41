"""What a model loses out of distribution, in words and as the rows of a table."""

from __future__ import annotations

import math

from matscout.drive.shift import Shift
from matscout.report.markup import number

HEADER = ("cluster", "rows", "mae, left out whole", "mae, left out at random")


def sentence(shift: Shift, unit: str = "") -> str:
    """Both errors, and their ratio with its interval."""
    ratio, of = shift.ratio, f" {unit}" if unit else ""
    return (
        f"on clusters left out whole: mae {number(ratio.outside)}{of}, on the same rows left out at"
        f" random: {number(ratio.inside)}{of}; PDR {number(ratio.pdr, 3)}"
        f" [{number(ratio.low, 3)}, {number(ratio.high, 3)}]"
    )


def meaning(shift: Shift) -> str:
    """What to do with it."""
    ratio = shift.ratio
    worst = max((one.outside for one in shift.clusters), default=math.nan)
    if ratio.low > 1:
        return (
            f"Beware: for a kind of material that is not in the table expect errors some"
            f" {number(ratio.pdr, 2)} times as large, and {number(worst)} on the worst kind here."
        )
    return (
        "That is no more than the noise: these clusters are not harder than rows drawn at random. A"
        " kind that is further away than they are from each other may still be."
    )


def rows(shift: Shift) -> tuple[tuple[str, ...], ...]:
    """Under HEADER, the worst cluster first."""
    return tuple(
        (str(place), str(one.rows), number(one.outside), number(one.inside))
        for place, one in enumerate(shift.clusters, start=1)
    )
