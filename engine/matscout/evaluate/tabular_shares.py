"""A tabular trainer whose steps are shares of the training rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matscout.checkpoint import Checkpoint
from matscout.evaluate.base import Context
from matscout.evaluate.in_order import in_order
from matscout.evaluate.keeper import Keeper
from matscout.evaluate.tabular_data import TabularData, print_of
from matscout.evaluate.tabular_folds import FoldScores, finish, fold_judge
from matscout.trial import Measurement, Report

if TYPE_CHECKING:
    from matscout.evaluate.trainer_tabular import TabularTrainer


def by_shares(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], context: Context
) -> Iterator[Report | Measurement]:
    """Fit and judge all folds with few of their training rows, then with more, at last with all. The
    rows that judge are the same throughout, and the last step is what `by_folds` does: the same
    seeds, the same value. A retried attempt goes on with the first fit not yet judged.
    """
    judge = fold_judge(trainer, data, params, context.seed)
    steps, folds = trainer.fidelity_steps, len(data.folds)
    done = Shares([FoldScores(data) for _ in steps], folds)
    keeper = Keeper(context.checkpoints, print_of(trainer, data, params, context), trainer.cadence)

    def report(place: int, checkpoint: bool) -> Report:
        value = data.plan.value(done.parts[place].scores)
        return Report(steps[place], {trainer.target_name: value}, checkpoint=checkpoint)

    if keeper.restore(done.restore):
        for place in range(done.whole):
            yield report(place, checkpoint=place == done.whole - 1)
    places = [divmod(k, folds) for k in range(done.fits, len(steps) * folds)]
    work = [(number, data.shares[place][number]) for place, number in places]
    if done.full.spoilt:
        places, work = [], []
    with closing(in_order(judge, work, trainer.fold_threads, context.should_stop)) as judged:
        for (place, _), (score, seen) in zip(places, judged, strict=False):
            done.parts[place].add(score, seen if done.parts[place] is done.full else {})
            keeper.save(done.fits, done.capture)
            if done.whole > place:
                yield report(place, checkpoint=context.checkpoints is not None)
            if done.full.spoilt:
                break
    if done.whole < len(steps) and not done.full.spoilt:
        return  # stopped, and every finished fold is saved already
    yield finish(trainer, data, done.full.scores, done.full.seen, context)


@dataclass(frozen=True)
class Shares:
    """The cursor: what the folds scored at each step, and what they predicted at the last."""

    parts: list[FoldScores]
    folds: int

    @property
    def full(self) -> FoldScores:
        return self.parts[-1]

    @property
    def fits(self) -> int:
        return sum(len(part.scores) for part in self.parts)

    @property
    def whole(self) -> int:
        """Steps at which all folds are judged."""
        return self.fits // self.folds

    def capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, state = self.full.capture()
        return arrays, {**state, "below": [list(part.scores) for part in self.parts[:-1]]}

    def restore(self, checkpoint: Checkpoint) -> None:
        below = checkpoint.state["below"]
        for part, scores in zip(self.parts[:-1], below, strict=True):
            part.scores = [float(score) for score in scores]
        self.full.restore(checkpoint)
