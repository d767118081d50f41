"""When a run is over, and when it is hopeless. Pure functions of the history."""

from __future__ import annotations

from matscout.errors import InputError, MatscoutError, RunFailed
from matscout.history import History
from matscout.trial import State

_PATIENCE = 3
"""Trials that must all have come to nothing before a run without any value is given up. One bad
point can be bad luck; three first points in a row that break the machinery are a broken setup."""


def hopeless(history: History) -> MatscoutError | None:
    """The error to end with if nothing has ever worked, else None."""
    if history.count(State.COMPLETE, State.PRUNED, State.FAILED):
        return None
    invalid = [t for t in history.finished if t.state is State.INVALID]
    broken = [t for t in history.finished if t.state is State.QUARANTINED]
    if len(invalid) >= _PATIENCE:
        return InputError(
            "evaluator",
            f"the first {len(invalid)} trials gave no valid value: {invalid[-1].reason}",
            "return a finite number for every target",
        )
    if len(invalid) + len(broken) >= _PATIENCE:
        return RunFailed(f"evaluator: every trial so far crashed: {broken[-1].reason}")
    return None
