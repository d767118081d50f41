"""Measured again on purpose: trials of one point are one row, and how often a point was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matscout.trial import Measurement, Proposal, State, Trial, Value

REPLICATE = "replicate"
"""What a trial's `why` says the number of its measurement under: 2 is the second of its point."""

REPEATS = "repeats"
"""The same for the id of the trial whose point it repeats, where no candidate says so."""


def point_of(trial: Trial) -> str | int:
    """The same for trials of one point: the candidate, or the id of the first trial there."""
    if trial.candidate is not None:
        return trial.candidate
    first = trial.why.get(REPEATS)
    return first if isinstance(first, int) and not isinstance(first, bool) else trial.id


def measurements(trial: Trial) -> list[Measurement]:
    """What came back, the first first."""
    first = [Measurement(trial.values, trial.sem)] if trial.values else []
    return [*first, *trial.replicates]


def pooled(trials: Iterable[Trial]) -> list[Trial]:
    """Trials with a value, one for each point: the first one there, with the measurements of the
    others as further replicates of its own. In the order of the first ones."""
    groups: dict[str | int, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(point_of(trial), []).append(trial)
    return [_merged(group) for group in groups.values()]


def number_of_next(trials: Sequence[Trial]) -> int:
    """The number that the next measurement of a point bears; `trials` are all that were asked for."""
    return 1 + sum(_weight(trial) for trial in trials)


def repeated(trials: Sequence[Trial], rule: str) -> Proposal:
    """The point of `trials`, all that were asked for there, the first one first, once more."""
    first = trials[0]
    why: dict[str, Value] = {"rule": rule, REPLICATE: number_of_next(trials)}
    if first.candidate is None:
        why[REPEATS] = first.id
    return Proposal(first.params, first.candidate, why)


@dataclass(frozen=True)
class Asked:
    """How often each candidate of a pool was asked for, (n_candidates,) each.

    `count` measurements, those that are on their way among them. `measured`: there is a value;
    `open`: one is on its way; `ended`: an experiment failed, was abandoned or ended without a value.
    """

    count: NDArray[np.int64]
    measured: NDArray[np.bool_]
    open: NDArray[np.bool_]
    ended: NDArray[np.bool_]

    @classmethod
    def of(cls, size: int, trials: Iterable[Trial], rows: Iterable[int]) -> Asked:
        """`rows` are the candidates of `trials`, one for each."""
        made = cls(np.zeros(size, dtype=np.int64), *(np.zeros(size, dtype=bool) for _ in range(3)))
        for trial, row in zip(trials, rows, strict=True):
            made.count[row] += _weight(trial)
            made.measured[row] |= trial.state is State.COMPLETE
            made.open[row] |= trial.open
            made.ended[row] |= not trial.open and trial.state is not State.COMPLETE
        return made

    def askable(self, at_most: int) -> NDArray[np.bool_]:
        """What may be asked for where each candidate is measured up to `at_most` times: whatever was
        never asked for, and what has a value. What is on its way is waited for; it comes into
        question only when nothing else does. So a candidate that is no longer askable never is again
        (a loop that was told "nothing" does not ask twice).
        """
        left = ~self.ended & (self.count < at_most)
        rest = left & ~self.open
        return rest if rest.any() else left


def _weight(trial: Trial) -> int:
    return max(1, len(measurements(trial)))


def _merged(group: list[Trial]) -> Trial:
    first, *others = group
    if not others:
        return first
    further = [m for trial in others for m in measurements(trial)]
    return replace(first, replicates=(*first.replicates, *further))
