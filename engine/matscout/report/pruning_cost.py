"""What a sweep's trials took by how they ended, and about what pruning saved."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from matscout.history import History
from matscout.report.markup import Markup, el, join, table
from matscout.report.tables import duration
from matscout.trial import State, Trial


@dataclass(frozen=True)
class Saved:
    """Seconds that pruned trials would have gone on for, `share` of what all would have taken.
    `known` of `pruned` trials said how far they had come."""

    seconds: float
    share: float
    known: int
    pruned: int


def saved(history: History) -> Saved | None:
    """Each pruned trial at its own pace to the last step of the complete ones (their median). None
    without both."""
    pruned = [t for t in history.finished if t.state is State.PRUNED]
    last = [_steps(t) for t in history.completed if _steps(t)]
    if not pruned or not last:
        return None
    full = median(last)
    known = [t for t in pruned if _steps(t) and t.cost_s > 0]
    seconds = sum(t.cost_s * max(full / _steps(t) - 1.0, 0.0) for t in known)
    spent = sum(t.cost_s for t in history.finished)
    whole = seconds + spent
    return Saved(seconds, seconds / whole if whole > 0 else 0.0, len(known), len(pruned))


def pruning_cost(history: History) -> Markup | None:
    """A row for each way in which trials ended, and a sentence; None before one has ended."""
    if not history.finished:
        return None
    rows = []
    for state in dict.fromkeys(t.state for t in sorted(history.finished, key=_place)):
        costs = [t.cost_s for t in history.finished if t.state is state]
        spent = [c for c in costs if c > 0]
        half = duration(median(spent)) if spent else "–"
        rows.append([state.value, str(len(costs)), half, duration(sum(costs))])
    head = ["ended", "trials", "a trial, median", "added up"]
    parts = [table("What the trials took, by how they ended", head, rows, numeric=(1, 2, 3))]
    found = saved(history)
    if found is not None and found.known:
        of = (
            ""
            if found.known == found.pruned
            else f" ({found.known} of them said how far they came)"
        )
        parts.append(
            el(
                "p",
                f"Stopping {found.pruned} trials early{of} saved about {duration(found.seconds)},"
                f" {100 * found.share:.0f} % of what this sweep would have taken without; reckoned"
                " by letting each go on at its own pace to the last step of the complete ones.",
            )
        )
    return join(parts)


def _place(trial: Trial) -> int:
    return list(State).index(trial.state)


def _steps(trial: Trial) -> int:
    return max((r.step for r in trial.reports), default=0)
