"""Measure again what was measured already: a person's wish, as events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from matscout.drive.belief import Landscape, explained
from matscout.drive.queue import asked_body
from matscout.drive.recommend import handed_out
from matscout.drive.results import as_count, candidate_called, trial_called
from matscout.errors import InputError
from matscout.event import Event
from matscout.history import PERSON, History
from matscout.propose.base import Forecaster
from matscout.propose.observations import value_of
from matscout.propose.replicates import point_of, pooled, repeated
from matscout.space import Space
from matscout.trial import State, Trial

AGAIN = "again"
"""The rule by which such trials are chosen."""

_BEST = "best:"


def again_events(
    space: Space,
    history: History,
    name: str,
    words: Sequence[str],
    forecaster: Forecaster | None,
) -> list[Event]:
    """The events that hand what `words` name to a person once more: new trials of the same points.

    A word is an id (a candidate's, or `name-12` for the point of a trial), ids with commas between
    them, or `best:3` for the three measured points with the best posterior mean. InputError for an
    id that is unknown, twice there, abandoned, or has no value yet or one on its way.
    """
    points = _Points(space, history, name)
    chosen: dict[str | int, list[Trial]] = {}
    for word in words:
        for where, trials in points.named(word, forecaster):
            if point_of(trials[0]) in chosen:
                raise InputError(where, "is named twice", "once is enough")
            chosen[point_of(trials[0])] = trials
    if not chosen:
        raise InputError("--again", "names nothing", "name what to measure again")
    proposals = explained(space, history, [repeated(t, AGAIN) for t in chosen.values()], forecaster)
    first = len(history.trials)
    return [
        event
        for i, p in enumerate(proposals)
        for event in handed_out(first + i, asked_body(p, PERSON, 0.0))
    ]


class _Points:
    """Everything that was asked for, by point."""

    def __init__(self, space: Space, history: History, name: str) -> None:
        self._space, self._history, self._name = space, history, name
        self._trials: dict[str | int, list[Trial]] = {}
        for trial in history.asked_for:
            self._trials.setdefault(point_of(trial), []).append(trial)

    def named(self, word: str, forecaster: Forecaster | None) -> Iterable[tuple[str, list[Trial]]]:
        """The trials at each point that `word` names, the first ones first, and how it was named."""
        pool = self._space.pool
        if pool is not None and word in pool:  # an id may hold commas, or look like best:3
            return [self._measured(word)]
        if word.strip().startswith(_BEST):
            return [(f"--again {word}", trials) for trials in self._best(word.strip(), forecaster)]
        return [self._measured(part.strip()) for part in word.split(",") if part.strip()]

    def _measured(self, called: str) -> tuple[str, list[Trial]]:
        where = f"--again {called}"
        trials = self._trials.get(self._point(where, called), [])
        problem = self._problem(trials)
        if problem is not None:
            raise InputError(where, *problem)
        return where, trials

    def _point(self, where: str, called: str) -> str | int:
        pool = self._space.pool
        if pool is not None:
            return candidate_called(where, called, pool)
        return point_of(trial_called(where, called, self._name, self._history))

    def _problem(self, trials: list[Trial]) -> tuple[str, str] | None:
        """Why a point cannot be measured again, and what to do about it."""
        states = {t.state for t in trials}
        if not trials:
            return "was never measured", "recommend it without --again, or add its value"
        if State.ABANDONED in states:
            reason = next(t.reason for t in trials if t.state is State.ABANDONED)
            return f"was abandoned ({reason})" if reason else "was abandoned", "name another"
        if any(t.open for t in trials):
            if State.COMPLETE in states:
                return "is being measured again already", "see --open"
            return "is not measured yet: it is open", "--open writes it"
        if State.COMPLETE not in states:
            return f"has no value: it is {trials[-1].state.value}", "name another"
        return None

    def _best(self, word: str, forecaster: Forecaster | None) -> list[list[Trial]]:
        number = word.removeprefix(_BEST)
        count = as_count(number) if number.isdecimal() else 0
        if count < 1:
            raise InputError(f"--again {word}", "must be best:N with N at least 1", "write best:3")
        able = [trials for trials in self._trials.values() if self._problem(trials) is None]
        if count > len(able):
            what = f"{len(able)} can be measured again (measured, not abandoned, not open)"
            raise InputError(f"--again {word}", what, f"say best:{len(able)}" if able else "")
        mean = self._means(able, forecaster)
        order = np.argsort(-self._history.targets[0].sign * mean, kind="stable")
        return [able[i] for i in order[:count].tolist()]

    def _means(
        self, points: list[list[Trial]], forecaster: Forecaster | None
    ) -> NDArray[np.float64]:
        """Posterior means of the first target or, with too little data for them, those measured."""
        pool, firsts = self._space.pool, [trials[0] for trials in points]
        if pool is not None:
            said = None if forecaster is None else forecaster.forecast(self._space, self._history)
            if said is not None:
                return said.mean[[pool.row(t.candidate) for t in firsts if t.candidate is not None]]
        else:
            from matscout.drive.point_belief import outlook_at  # loads torch

            there = outlook_at(self._space, self._history, Landscape(self._space).rows(firsts))
            if there is not None:
                return there[0]
        target = self._history.targets[0]
        values = [value_of(t, target) for part in points for t in pooled(_with_value(part))]
        return np.array(values, dtype=float)


def _with_value(trials: Iterable[Trial]) -> list[Trial]:
    return [t for t in trials if t.state is State.COMPLETE]
