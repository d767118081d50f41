"""A pruner that sees nothing says so, instead of doing nothing in silence."""

from __future__ import annotations

from matscout.drive.loop import Observer
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.trial import State, Trial


class Watchful(Observer):
    """Passes on what happens to `inner`; of the first trial that completes without a value of the
    target on the way, it says what early stopping misses. Once a sitting.
    """

    def __init__(self, inner: Observer) -> None:
        self._inner = inner
        self._looked = False

    def event(self, event: Event, history: History) -> None:
        self._inner.event(event, history)
        if self._looked or event.kind is not EventKind.MEASURED or event.trial is None:
            return
        self._looked = True
        said = blind(history, history.trials[event.trial])
        if said:
            self._inner.note(said)

    def note(self, text: str) -> None:
        self._inner.note(text)


def blind(history: History, trial: Trial) -> str:
    """Why early stopping cannot judge what this trial reported, in one line; empty if it can."""
    target = history.targets[0].name
    names = {name for report in trial.reports for name in report.values}
    if trial.state is not State.COMPLETE or target in names:
        return ""
    had = f"only {', '.join(sorted(names))}" if names else "nothing"
    return (
        f"early_stopping: trial {trial.id} reported {had} on the way, and no {target!r}: "
        "no trial can be stopped early; report it, or leave [early_stopping] out"
    )
