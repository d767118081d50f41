"""What trials reported on the way, sorted where pruners look: a cache that cannot be seen."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Sequence

from matscout.history import History
from matscout.propose.memo import Memo
from matscout.trial import Report, State, Target, Trial

Places = Callable[[int, int, int], Iterable[Hashable]]
"""(trial id, step of the report before, step of this one) → where this report is compared."""


class Reported:
    """Signed values (larger is better) of the first target by the place where they are compared.

    Follows `history.changes`, so that a verdict costs what is new and not what there is; what it
    says is a function of the history alone. An attempt that is repeated takes reports back.
    """

    def __init__(self, history: History, places: Places) -> None:
        self._history, self._places = history, places
        self._target = history.targets[0]
        self._sorted: dict[Hashable, list[float]] = {}
        self._known: dict[int, list[Report]] = {}
        self._seen = 0

    def values(self, place: Hashable) -> Sequence[float]:
        """All that was reported at `place`, in increasing order. To be read only."""
        changes = self._history.changes
        for trial in dict.fromkeys(changes[self._seen :]):
            self._follow(self._history.trials[trial])
        self._seen = len(changes)
        return self._sorted.get(place, ())

    def _follow(self, trial: Trial) -> None:
        known, reports = self._known.setdefault(trial.id, []), trial.reports
        # Reports are a stack of frozen objects: where one is still there, all before it are.
        same = min(len(known), len(reports))
        while same and known[same - 1] is not reports[same - 1]:
            same -= 1
        for k in range(same, len(known)):
            for values, value in self._where(trial.id, known, k):
                del values[bisect_left(values, value)]
        del known[same:]
        for k in range(same, len(reports)):
            known.append(reports[k])
            for values, value in self._where(trial.id, known, k):
                insort(values, value)

    def _where(
        self, trial: int, reports: Sequence[Report], k: int
    ) -> Iterable[tuple[list[float], float]]:
        value = signed(reports[k], self._target)
        if value is None:
            return
        before = reports[k - 1].step if k else 0
        for place in self._places(trial, before, reports[k].step):
            yield self._sorted.setdefault(place, []), value


class Leader:
    """The best completed trial, as `history.best` names it, without going through all of them."""

    def __init__(self, history: History) -> None:
        self._history, self._target = history, history.targets[0]
        self._best: Trial | None = None
        self._seen = 0

    def trial(self) -> Trial | None:
        changes = self._history.changes
        for index in dict.fromkeys(changes[self._seen :]):
            trial = self._history.trials[index]
            if self._best is not None and trial.id == self._best.id:
                self._best = self._history.best()  # it may have become worse
            elif trial.state is State.COMPLETE and self._ahead(trial):
                self._best = trial
        self._seen = len(changes)
        return self._best

    def _ahead(self, trial: Trial) -> bool:
        if not self._history.feasible(trial):
            return False
        return self._best is None or self._rank(trial) > self._rank(self._best)

    def _rank(self, trial: Trial) -> tuple[float, int]:
        return self._target.sign * trial.values[self._target.name], -(trial.finished or 0)


def reported(places: Places) -> Memo[Reported]:
    """The index of one history after another, for a pruner to hold."""
    return Memo(lambda history: Reported(history, places))


def each_step(trial: int, before: int, step: int) -> tuple[int, ...]:
    """Compared with what others reported at the very same step."""
    return (step,)


def last_steps(trial: Trial) -> tuple[int, int]:
    """The steps of the last report but one and of the last; 0 for what there is not."""
    steps = [report.step for report in trial.reports[-2:]]
    return (0, 0, *steps)[-2], (0, *steps)[-1]


def last_value(trial: Trial, target: Target) -> float | None:
    """The signed value of the last report; None where it speaks of other things."""
    return signed(trial.reports[-1], target) if trial.reports else None


def signed(report: Report, target: Target) -> float | None:
    value = report.values.get(target.name, math.nan)
    return target.sign * value if math.isfinite(value) else None


def without_value(trial: Trial, target: Target) -> str:
    """The verdict on a last report without the target. Workers leave out what is not finite: to be
    without a value after having had one is to have diverged. Who never had one is not judged."""
    had = any(target.name in report.values for report in trial.reports)
    return f"not finite at step {trial.reports[-1].step}" if had else ""
