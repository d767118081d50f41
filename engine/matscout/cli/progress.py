"""What a person sees while a run runs: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from matscout.cli.words import tell
from matscout.drive.loop import Observer
from matscout.drive.rounding import rounded_together
from matscout.errors import one_line
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.propose.observations import best_of, count_of, sem_of, value_of
from matscout.trial import State, Target, Trial

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_WORTH_A_LINE = frozenset(
    {
        EventKind.MEASURED,
        EventKind.FAILED,
        EventKind.INVALID,
        EventKind.PRUNED,
        EventKind.THAWED,
        EventKind.WITHDRAWN,
        EventKind.CRASHED,
        EventKind.EXPIRED,
        EventKind.QUARANTINED,
        EventKind.ATTENTION,
        EventKind.CONFLICT,
    }
)
_QUIET_AFTER = 200
_SECONDS_BETWEEN = 1.0


class Progress(Observer):
    """Shows each trial that ends. Beyond the first 200 lines a log gets one a second. A terminal that
    has gone, or a log that cannot be written, ends no run.
    """

    def __init__(self, total: int, noun: str = "trials") -> None:
        self._total = total
        self._noun = noun
        self._lines = 0
        self._last = 0.0
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress

            self._rich = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[best]}", markup=False),
                console=Console(stderr=True),
            )
            self._task = self._rich.add_task(self._noun, total=self._total, best="")
            self._rich.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rich is not None:
            with suppress(OSError):
                self._rich.stop()

    def event(self, event: Event, history: History) -> None:
        if event.kind not in _WORTH_A_LINE or event.trial is None:
            return
        trial = history.trials[event.trial]
        if self._rich is not None and self._task is not None:
            done = len(history.finished)
            with suppress(OSError):
                self._rich.update(self._task, completed=done, best=best_line(history))
        if event.kind is EventKind.MEASURED and self._rich is not None:
            return
        now = time.monotonic()
        if self._lines < _QUIET_AFTER or now - self._last >= _SECONDS_BETWEEN:
            self._lines += 1
            self._last = now
            self._print(_describe(event, trial, history.targets))

    def note(self, text: str) -> None:
        self._print(one_line(text))

    def _print(self, text: str) -> None:
        if self._rich is not None:
            with suppress(OSError):
                self._rich.console.print(text, markup=False, highlight=False)
        else:
            tell(text)


def best_line(history: History) -> str:
    """`best y = 1.23 (trial 4)`, or nothing yet; of replicates the mean, its error and their number.
    Where there are several targets, of the first."""
    best = best_of(history)
    if best is None:
        return ""
    target = history.targets[0]
    unit = f" {target.unit}" if target.unit else ""
    who = ", ".join([label(best), *often(best, target)])
    return one_line(f"best {target.name} = {mean_said(best, target)}{unit} ({who})")


def mean_said(trial: Trial, target: Target) -> str:
    """`1.23`, or `1.23 ± 0.04` with its standard error where it was measured more than once."""
    value, sem = value_of(trial, target), sem_of(trial, target)
    if value is None:
        return "–"
    if math.isnan(sem) or not often(trial, target):
        return f"{value:.6g}"
    return " ± ".join(rounded_together(value, sem))


def often(trial: Trial, target: Target) -> list[str]:
    """`mean of 3` where it was measured more than once, else nothing."""
    count = count_of(trial, target)
    return [f"mean of {count}"] if count > 1 else []


def label(trial: Trial) -> str:
    return one_line(trial.candidate) if trial.candidate else f"trial {trial.id}"


def _describe(event: Event, trial: Trial, targets: tuple[Target, ...]) -> str:
    who = f"trial {trial.id}" + (f" {trial.candidate}" if trial.candidate else "")
    if event.kind is EventKind.MEASURED:
        said = event.body["values"]
        values = ", ".join(f"{t.name} = {said[t.name]:.6g}" for t in targets)
        return one_line(f"{who}: {values} ({event.body['cost_s']:.1f} s)")
    reason = event.body.get("reason", "")
    word = "pruned" if event.kind is EventKind.PRUNED else event.kind.value
    retried = trial.state is State.PENDING and event.kind is not EventKind.THAWED
    again = " (to be retried)" if retried else ""
    return one_line(f"{who}: {word}: {reason}{again}")
