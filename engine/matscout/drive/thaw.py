"""Freeze–thaw: go on with a trial that was stopped early, once it would not be stopped any more.

What is known of the others changes: those that reached a rung later may have done worse. ASHA as it
was published never forgets a trial that waits on a rung, but promotes it as soon as it is among the
best 1/η there (Li et al., MLSys 2020, Algorithm 2). Freeze–thaw (Swersky, Snoek & Adams,
arXiv:1406.3896) weighs old trials against new ones by a model of learning curves. Here the pruner
that stopped a trial is asked again, whichever it is: stopping and thawing follow one rule.

The loop thaws once nothing new is to be asked for, and not before a new trial, as Algorithm 2 would.
Simulated: random trials, one worker, ASHA 1, 3, 9 of 27 steps, values N(0, 1), curves that wander
about them with sd 1/sqrt(step). Of 60 trials the best was found in 75 % of 60 seeds without
thawing; in 85 % with it at the end, for 10 % more steps; in 87 % with it first, for 18 % more.
Where steps are what is given (540, 100 seeds), new trials find more than thawing first does: it is
worse by 0.068 ± 0.020 (standard error).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

from matscout.drive.prune import Pruner, SuccessiveHalving
from matscout.drive.prune_hyperband import Hyperband
from matscout.drive.prune_index import last_value
from matscout.event import Event, EventKind
from matscout.history import History
from matscout.propose.memo import Memo
from matscout.trial import State, Trial

Place = tuple[int, int]
"""(step at which trials were stopped, bracket in which they compete)."""


class Thaw:
    """Which pruned trial to go on with now: a function of the history alone, as the pruner is."""

    def __init__(self, pruner: Pruner) -> None:
        self._pruner = pruner
        bracket = pruner.bracket if isinstance(pruner, Hyperband) else _one_for_all
        self._by_last_value = isinstance(pruner, Hyperband | SuccessiveHalving)
        self._frozen: Memo[_Frozen] = Memo(lambda history: _Frozen(history, bracket))
        self._known: Memo[_Known] = Memo(lambda history: _Known())

    def __call__(self, history: History) -> Event | None:
        """The event that thaws a trial; None where all would be stopped again.

        Those that came furthest first. Of those that were stopped at the same step only the best
        is asked about where the pruner goes by the last value alone: where it would be stopped, so
        would the others. A trial that goes on is judged from its next step on, so each thaw makes
        progress and there is an end to it.
        """
        known = self._known(history)
        if known.at != len(history.changes):
            known.at, known.event = len(history.changes), self._event(history)
        return known.event

    def _event(self, history: History) -> Event | None:
        for trial in self._frozen(history).waiting(only_best=self._by_last_value):
            if not self._pruner.verdict(history, trial):
                return thawed(trial, f"not to be stopped at step {trial.reports[-1].step} any more")
        return None


def thawed(trial: Trial, reason: str, by: str = "") -> Event:
    step = trial.reports[-1].step if trial.reports else 0
    body: dict[str, str | int] = {"reason": reason, "step": step}
    return Event(EventKind.THAWED, trial.id, body=body | ({"by": by} if by else {}))


class _Known:
    """The last answer, and how many changes of the history it was given at."""

    at = -1
    event: Event | None = None


class _Frozen:
    """Pruned trials by the place where they stopped, sorted; follows the changes of the history."""

    def __init__(self, history: History, bracket: Callable[[int], int]) -> None:
        self._history, self._bracket = history, bracket
        self._sorted: dict[Place, list[tuple[float, int]]] = {}
        self._known: dict[int, tuple[Place, tuple[float, int]]] = {}
        self._seen = 0

    def waiting(self, *, only_best: bool) -> list[Trial]:
        """Of each place the best first, the earliest of equals."""
        changes, trials = self._history.changes, self._history.trials
        for index in dict.fromkeys(changes[self._seen :]):
            self._follow(trials[index])
        self._seen = len(changes)
        places = sorted((place for place, waiting in self._sorted.items() if waiting), reverse=True)
        count = 1 if only_best else None
        return [trials[-i] for place in places for _, i in self._sorted[place][::-1][:count]]

    def _follow(self, trial: Trial) -> None:
        known = self._known.pop(trial.id, None)
        if known is not None:
            place, entry = known
            del self._sorted[place][bisect_left(self._sorted[place], entry)]
        value = last_value(trial, self._history.targets[0])
        if trial.state is not State.PRUNED or value is None:
            return  # what has diverged stays where it is
        place = trial.reports[-1].step, self._bracket(trial.id)
        self._known[trial.id] = place, (value, -trial.id)
        insort(self._sorted.setdefault(place, []), (value, -trial.id))


def _one_for_all(trial: int) -> int:
    return 0
