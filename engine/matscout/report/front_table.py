"""The front of several targets on the page, and what was feasible."""

from __future__ import annotations

from matscout.history import History
from matscout.propose.front import front_of
from matscout.report.fronts import limits_line, point_said
from matscout.report.markup import Markup, el, join, table
from matscout.report.progress_figure import named
from matscout.report.tables import with_error

ROWS = 50
"""At most; the whole is in `matscout status --json`."""


def front_table(history: History) -> Markup:
    """One row a point of the front, the best by the first target first."""
    front = front_of(history)
    if not front:
        return el("p", "No measured trial keeps the limits.")
    header = ["trial", *(f"{t.name} ({t.unit})" if t.unit else t.name for t in history.targets)]
    rows = [
        [
            named(trial),
            *(with_error(trial, target) for target in history.targets),
            point_said(trial),
        ]
        for trial in front[:ROWS]
    ]
    most = f", the first {ROWS}" if len(front) > ROWS else ""
    caption = f"The front: {len(front)} of {len(history.completed)} measured{most}"
    drawn = table(caption, [*header, "with"], rows, range(1, len(header)))
    said = "No other trial is as good in every target and better in one."
    return join([el("p", said, class_="soft"), drawn])


def limits_note(history: History) -> Markup | None:
    """For the page; None without limits."""
    line = limits_line(history)
    if not line:
        return None
    rest = " What breaks a limit is in no other table or figure of values."
    return el("p", f"{line[0].upper()}{line[1:]}.{rest}", class_="soft")
