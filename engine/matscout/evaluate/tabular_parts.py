"""One fit of a tabular trainer apart from the others, and the fits of a trial joined again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matscout.evaluate.base import Context, Joining, Part
from matscout.evaluate.tabular_data import TabularData
from matscout.evaluate.tabular_folds import FoldScores, finish, fold_judge
from matscout.evaluate.tabular_scores import Seen
from matscout.evaluate.tabular_shares import Shares
from matscout.trial import Measurement, Report

if TYPE_CHECKING:
    from matscout.evaluate.trainer_tabular import TabularTrainer


def steps_of(trainer: TabularTrainer) -> int:
    """How often each fold is fitted."""
    return len(trainer.fidelity_steps) if trainer.fidelity == "rows" else 1


def evaluate_part(
    trainer: TabularTrainer,
    data: TabularData,
    params: Mapping[str, Any],
    number: int,
    context: Context,
) -> Part:
    """Fit and judge fold `number`; where steps are shares of the rows, all folds of the first step come
    before those of the next. Score and predictions are those of `by_folds` and `by_shares`.
    """
    place, fold = divmod(number, len(data.folds))
    train = data.shares[place][fold] if trainer.fidelity == "rows" else data.folds[fold][0]
    score, seen = fold_judge(trainer, data, params, context.seed)((fold, train))
    return Part({"score": score}, seen if place == steps_of(trainer) - 1 else {})


def joining(trainer: TabularTrainer, data: TabularData, context: Context) -> Joining:
    return (JoiningShares if trainer.fidelity == "rows" else JoiningFolds)(trainer, data, context)


class JoiningFolds:
    """A report after each fold; the measurement after the last, or after one without a score."""

    def __init__(self, trainer: TabularTrainer, data: TabularData, context: Context) -> None:
        self._trainer, self._data, self._context = trainer, data, context
        self._done = FoldScores(data)

    def add(self, part: Part) -> Sequence[Report | Measurement]:
        done = self._done
        done.add(*_judged(self._data, part, whole=True))
        fold = len(done.scores)
        said = done.report(self._trainer.target_name, fold, checkpoint=True)
        if fold < len(self._data.folds) and not done.spoilt:
            return [said]
        return [said, finish(self._trainer, self._data, done.scores, done.seen, self._context)]


class JoiningShares:
    """A report once all folds are judged at a step; the measurement after the last of them."""

    def __init__(self, trainer: TabularTrainer, data: TabularData, context: Context) -> None:
        self._trainer, self._data, self._context = trainer, data, context
        self._done = Shares([FoldScores(data) for _ in trainer.fidelity_steps], len(data.folds))

    def add(self, part: Part) -> Sequence[Report | Measurement]:
        trainer, done = self._trainer, self._done
        place = done.fits // done.folds
        scores = done.parts[place]
        scores.add(*_judged(self._data, part, whole=scores is done.full))
        said: list[Report | Measurement] = []
        if done.whole > place:
            value = self._data.plan.value(scores.scores)
            values = {trainer.target_name: value}
            said.append(Report(trainer.fidelity_steps[place], values, checkpoint=True))
        if done.whole == len(done.parts) or done.full.spoilt:
            full = done.full
            said.append(finish(trainer, self._data, full.scores, full.seen, self._context))
        return said


def _judged(data: TabularData, part: Part, whole: bool) -> tuple[float, Seen]:
    """Score and predictions; ValueError where any is missing."""
    wanted = data.views if whole else ()
    try:
        seen: Seen = {str(view.sees): part.arrays[view.sees] for view in wanted}
        return float(part.state["score"]), seen
    except (KeyError, TypeError) as error:
        raise ValueError(f"not the result of a fold: {error!r}") from None
