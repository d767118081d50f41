"""When a run is over, and when it is hopeless. Pure functions of the history."""

from __future__ import annotations

from matscout.errors import RunFailed
from matscout.history import History
from matscout.trial import State

_PATIENCE = 3
"""Trials that must all have come to nothing before a run without any value is given up. One bad
point can be bad luck; three first points in a row that break the machinery are a broken setup."""


def hopeless(history: History) -> RunFailed | None:
    """The error to end with if nothing has ever worked, else None."""
    if history.count(State.COMPLETE, State.PRUNED, State.FAILED):
        return None
    invalid = [t for t in history.finished if t.state is State.INVALID]
    broken = [t for t in history.finished if t.state is State.QUARANTINED]
    if len(invalid) >= _PATIENCE:
        said = f"the first {len(invalid)} trials gave no valid value: {invalid[-1].reason}"
        return RunFailed(f"evaluator: {said}; return a finite number for every target")
    if len(invalid) + len(broken) >= _PATIENCE:
        return RunFailed(f"evaluator: every trial so far crashed: {broken[-1].reason}")
    return None


def fruitless(history: History) -> RunFailed | None:
    """The error to end with if the run is over and no trial has a value, else None.

    What was stopped on purpose or waits for a person is no failure; nor is it, in a campaign, that
    experiments did not work: there that is knowledge.
    """
    if history.pending or history.count(State.COMPLETE, State.PRUNED):
        return None
    if history.created.get("kind") == "campaign" and history.count(State.FAILED):
        return None
    failed = [t for t in history.finished if t.state is not State.ABANDONED]
    if not failed:
        return None
    who = "every trial" if len(history.finished) > 1 else "the only trial"
    states = {t.state for t in history.finished}
    what = _BECAME.get(states.pop()) if len(states) == 1 else None
    return RunFailed(f"evaluator: {who} {what or 'came to nothing'}: {failed[-1].reason}")


_BECAME = {
    State.QUARANTINED: "crashed",
    State.INVALID: "gave no valid value",
    State.FAILED: "failed",
}
