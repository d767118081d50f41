"""Which of several transfers to take, by cross-validation on the scarce rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import KFold

from matscout.models.extractors import Views
from matscout.models.transfer import FittedTransfer, Transfer, chosen


class InnerErrors:
    """The mean absolute error of each candidate over `folds` parts of the rows that it is given.

    The last answer is kept, because two arms of a comparison choose by the same one; it is a pure
    function of (views, y, seed), so that this cannot be seen.
    """

    def __init__(self, candidates: Mapping[str, Transfer], folds: int = 3) -> None:
        if not candidates or folds < 2:
            raise ValueError("needs a candidate at least, and two folds")
        self.candidates, self.folds = dict(candidates), folds
        self._last: tuple[Views, np.ndarray, int, dict[str, float]] | None = None

    def __call__(self, views: Views, y: np.ndarray, seed: int) -> dict[str, float]:
        """y (n,), n >= 2 * folds, in the unit of the answers."""
        last = self._last
        if last is None or not (
            last[0] is views and last[2] == seed and np.array_equal(last[1], y)
        ):
            self._last = (views, y.copy(), seed, self._computed(views, y, seed))
            last = self._last
        return dict(last[3])

    def _computed(self, views: Views, y: np.ndarray, seed: int) -> dict[str, float]:
        if len(y) < 2 * self.folds:
            raise ValueError(f"{len(y)} rows do not make {self.folds} folds of two at least")
        state = int(np.random.SeedSequence([seed, 5]).generate_state(1)[0])
        parts = list(KFold(self.folds, shuffle=True, random_state=state).split(y))
        missed = {name: np.empty(len(y)) for name in self.candidates}
        for train, judge in parts:
            shown, hidden = chosen(views, train), chosen(views, judge)
            for name, arm in self.candidates.items():
                said = arm.fit(shown, y[train], seed).predict(hidden)
                missed[name][judge] = np.abs(said - y[judge])
        return {name: float(each.mean()) for name, each in missed.items()}


@dataclass(frozen=True)
class ChosenInside:
    """An arm: the one of `arms` whose namesake among the candidates did best inside the training
    rows, fitted to all of them. `arms` may be other transfers of the same experts (two stages are
    then chosen by how well one stage does), and fewer.
    """

    errors: InnerErrors
    arms: Mapping[str, Transfer]

    def fit(self, views: Views, y: np.ndarray, seed: int) -> FittedChoice:
        found = self.errors(views, y, seed)
        name = min(self.arms, key=lambda arm: (found[arm], arm))
        return FittedChoice(name, found, self.arms[name].fit(views, y, seed))


@dataclass(frozen=True)
class FittedChoice:
    """`name` of what was taken, and the inner errors that say why."""

    name: str
    errors: Mapping[str, float]
    fitted: FittedTransfer

    def predict(self, views: Views) -> np.ndarray:
        return self.fitted.predict(views)
