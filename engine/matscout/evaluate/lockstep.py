"""Networks of several folds trained side by side, one epoch of each at a time.

So a report after an epoch is the mean over all folds, and a pruner compares like with like; folds
one after the other would show it the first fold only. A single split is one fold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matscout.checkpoint import Checkpoint
from matscout.evaluate.base import Context
from matscout.evaluate.keeper import Keeper
from matscout.models.fitting import Fitting
from matscout.models.metrics import Metric
from matscout.models.objective import Objective
from matscout.trial import Report


@dataclass(frozen=True)
class NetworkFold:
    """A network on its training rows, and the rows that judge it with their targets, both (m,)."""

    fit: Fitting
    objective: Objective
    judge: np.ndarray
    truth: np.ndarray

    def predictions(self, metric: Metric) -> np.ndarray:
        """For the judging rows, (m,)."""
        return self.objective.predictions(self.fit.outputs(self.judge), metric)

    def score(self, metric: Metric) -> float:
        """On the judging rows; NaN as soon as the training loss is no number."""
        if not math.isfinite(self.fit.losses[-1]):
            return float("nan")
        return metric.score(self.truth, self.predictions(metric))


def _mean(scores: Sequence[float]) -> float:
    return float(np.mean(scores))


class Lockstep:
    """The folds of one trial and the scores that they have had: `scores[epoch][fold]`.

    `value` makes one number of the folds' scores: their mean, unless an objective says otherwise.
    """

    def __init__(
        self,
        folds: Sequence[NetworkFold],
        metric: Metric,
        epochs: int,
        target: str,
        keeper: Keeper,
        value: Callable[[Sequence[float]], float] = _mean,
    ) -> None:
        self.folds, self.metric, self.epochs = folds, metric, epochs
        self.scores: list[list[float]] = []
        self._target, self._keeper, self._value = target, keeper, value

    def train(self, context: Context) -> Generator[Report, None, bool]:
        """Go on from the newest checkpoint, if there is one, to the last epoch. True when through;
        False when stopped (the state is saved then). A score that is not finite ends training.

        After a restore the reports of all epochs come again: any of them may have died on its way.
        """
        if self._keeper.restore(self._restore):
            done = self._done()
            for epoch in range(1, done + 1):
                yield self._report(epoch, checkpoint=epoch == done)
            if 0 < done < self.epochs and context.should_stop():
                return False
        while self._done() < self.epochs and self._finite():
            for fold, part in enumerate(self.folds):
                if len(self._running()) > fold:
                    continue
                for _ in part.fit.run_epoch():
                    stop = context.should_stop()
                    if stop or self._keeper.due_inside():
                        self._save()
                    if stop:
                        return False
                self._running().append(part.score(self.metric))
            done = self._done()
            due = self._keeper.due_after(done)
            if due:
                self._save()
            yield self._report(done, checkpoint=due)
            if done < self.epochs and context.should_stop():
                self._save()
                return False
        return True

    @property
    def last(self) -> list[float]:
        """The scores of the last epoch that is done, one a fold."""
        return self.scores[self._done() - 1]

    def keep(self) -> None:
        """Store the state as it is, unless it is stored: to predict with, after the last epoch."""
        self._save()

    def _done(self) -> int:
        """Epochs that every fold has finished."""
        return sum(len(epoch) == len(self.folds) for epoch in self.scores)

    def _running(self) -> list[float]:
        """The scores, so far, of the first epoch that is not done."""
        if self._done() == len(self.scores):
            self.scores.append([])
        return self.scores[-1]

    def _finite(self) -> bool:
        return not self._done() or math.isfinite(sum(self.last))

    def _report(self, epoch: int, checkpoint: bool) -> Report:
        value = self._value(self.scores[epoch - 1])
        return Report(epoch, {self._target: value}, checkpoint=checkpoint)

    def _save(self) -> None:
        self._keeper.save(sum(fold.fit.moves for fold in self.folds), self._capture)

    def _capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays: dict[str, np.ndarray] = {}
        states = []
        for number, fold in enumerate(self.folds):
            own, state = fold.fit.capture()
            arrays |= {f"fold{number}/{name}": array for name, array in own.items()}
            states.append(state)
        return arrays, {"folds": states, "scores": [list(epoch) for epoch in self.scores]}

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.scores = restored(self.folds, checkpoint)


def restored(folds: Sequence[NetworkFold], checkpoint: Checkpoint) -> list[list[float]]:
    """Put the networks where the checkpoint has them; the scores that they had, [epoch][fold].
    ValueError, KeyError or TypeError where it is one of other networks.
    """
    states = checkpoint.state["folds"]
    if len(states) != len(folds):
        raise ValueError(f"holds {len(states)} folds, not {len(folds)}")
    for number, (fold, state) in enumerate(zip(folds, states, strict=True)):
        prefix = f"fold{number}/"
        own = {
            name.removeprefix(prefix): array
            for name, array in checkpoint.arrays.items()
            if name.startswith(prefix)
        }
        fold.fit.restore(own, state)
    return [[float(score) for score in epoch] for epoch in checkpoint.state["scores"]]
