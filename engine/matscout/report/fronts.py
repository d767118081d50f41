"""The best compromises between several targets, and what keeps the limits, in words."""

from __future__ import annotations

from matscout.errors import one_line
from matscout.history import History
from matscout.propose.front import front_of
from matscout.propose.observations import feasible_trials, value_of
from matscout.report.markup import shortened
from matscout.space import Space
from matscout.trial import Trial

SHOWN = 8
"""Of a front, on a terminal; the page shows more."""


def shows_front(space: Space, history: History) -> bool:
    """Whether what was found is a front: over a pool every run is after its first target or its goal."""
    return len(history.targets) > 1 and space.pool is None


def broken(history: History) -> int:
    """How many complete trials are of points that break a limit."""
    return len(history.completed) - len(feasible_trials(history))


def limits_line(history: History) -> str:
    """How many complete trials are feasible; nothing without limits."""
    if not history.limits or not history.completed:
        return ""
    kept = len(history.completed) - broken(history)
    limits = "; ".join(map(str, history.limits))
    return one_line(f"feasible: {kept} of {len(history.completed)} measured ({limits})")


def front_lines(history: History) -> list[str]:
    """A line on the whole front and one on each of its points, the best by the first target first."""
    front = front_of(history)
    if not front:
        return []
    many = f"; the first {SHOWN}" if len(front) > SHOWN else ""
    lines = [f"front: {len(front)} compromises that no other trial betters{many}:"]
    if len(front) == 1:
        lines = ["front: one trial that no other betters in anything:"]
    return [*lines, *(f"  {_said(trial, history)}" for trial in front[:SHOWN])]


def point_said(trial: Trial) -> str:
    """The params of a trial."""
    return shortened(", ".join(f"{k} = {_short(v)}" for k, v in trial.params.items()), 200)


def _said(trial: Trial, history: History) -> str:
    known = [(t.name, value_of(trial, t)) for t in history.targets]
    values = ", ".join(f"{name} = {_short(value)}" for name, value in known)
    return one_line(f"trial {trial.id}: {values}; {point_said(trial)}")


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
