"""Stop what has not become better for long."""

from __future__ import annotations

from dataclasses import dataclass

from matscout.errors import InputError
from matscout.history import History
from matscout.trial import Trial


@dataclass(frozen=True)
class Patience:
    """Stops a trial that for `steps` steps has not beaten its own best by more than `tolerance`, in the
    target's unit: the rule of Prechelt, "Early stopping – but when?" (1998), with patience in place
    of his strips. It looks at no other trial.
    """

    steps: int = 10
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError("early_stopping.steps", f"must be at least 1, got {self.steps}")
        if not 0.0 <= self.tolerance < float("inf"):
            what = f"must be a number ≥ 0, got {self.tolerance:g}"
            raise InputError("early_stopping.tolerance", what)

    def verdict(self, history: History, trial: Trial) -> str:
        target = history.targets[0]
        best, since = -float("inf"), 0
        for report in trial.reports:
            value = target.sign * report.values.get(target.name, -target.sign * float("inf"))
            if value > best + self.tolerance:
                best, since = value, report.step
        if not since or trial.reports[-1].step - since < self.steps:
            return ""
        waited = trial.reports[-1].step - since
        return f"no better for {waited} steps than {target.sign * best:g} at step {since}"
