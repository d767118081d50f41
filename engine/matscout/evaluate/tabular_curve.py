"""The fits of a learning curve: a tabular trainer on growing parts of the training rows of its folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import torch

from matscout.data.learning_curve import LEAST, CurveFold, curve_shares, learning_curve
from matscout.errors import InputError, MatscoutError, RunFailed
from matscout.evaluate.base import Context, never
from matscout.evaluate.in_order import in_order
from matscout.evaluate.keeper import Keeper
from matscout.evaluate.lockstep import Lockstep
from matscout.evaluate.tabular_data import TabularData, kept_in_shares
from matscout.evaluate.tabular_folds import fold_judge, network_fold
from matscout.evaluate.trainer_options import check_folds
from matscout.models.metrics import dummy_score

if TYPE_CHECKING:
    from matscout.evaluate.trainer_tabular import TabularTrainer


@dataclass(frozen=True)
class CurveScore:
    """What `fit` scores on the rows that judge, and what a dummy scores there that has seen the targets
    of the same training rows.
    """

    fit: CurveFold
    score: float
    dummy: float


def curve_fits(
    trainer: TabularTrainer, *, points: int = 5, draws: int = 5, least: int = LEAST
) -> list[CurveFold]:
    """All fits, by point, draw and fold: from `least` rows of each fold's training rows to all of them,
    drawn `draws` times but for the last point, where there is nothing to draw.

    Groups and classes are kept as in the trainer's own shares (`fidelity`), drawn from `split_seed`.
    InputError for too few rows, or of a class, and for the objective `robert`.
    """
    data = trainer.data
    if data.plan.ends:
        what = "is half a worst case, and no mean over folds"
        raise InputError("evaluator.objective", f"'{trainer.objective}' {what}", "use cv, or split")
    rows = min(len(train) for train, _ in data.folds)
    if least >= rows:
        what = f"a curve from {least} rows on needs more than the {rows} that a fold trains on"
        raise InputError("--least", what, "begin with fewer")
    shares = curve_shares(rows, points, least)
    labels, groups = kept_in_shares(trainer, data.table)
    fits = learning_curve(
        data.folds, shares, draws=draws, labels=labels, groups=groups, seed=trainer.split_seed
    )
    kept = [fit for fit in fits if fit.draw == 0 or fit.point < len(shares) - 1]
    for _, same in groupby(kept, lambda fit: (fit.point, fit.draw)):
        try:
            check_folds(((f.train, f.judge) for f in same), data.table.target, data.metric)
        except InputError as error:
            what = f"too few rows at the beginning: {error.what}"
            raise InputError("--least", what, "begin with more") from None
    return kept


def curve_scores(
    trainer: TabularTrainer, fits: Sequence[CurveFold], seed: int
) -> Iterator[CurveScore]:
    """The score of each fit in its turn, by the trainer's own hyperparameters. `seed` is a trial's: with
    all rows the scores are those of a trial with that seed. RunFailed where a fit breaks down.
    """
    data, y = trainer.data, trainer.data.table.target
    for (_, draw), group in groupby(fits, lambda fit: (fit.point, fit.draw)):
        same = list(group)
        scores = _networks if trainer.model == "mlp" else _fold_by_fold
        done = 0
        try:
            for fit, score in zip(same, scores(trainer, data, same, seed), strict=False):
                yield CurveScore(fit, score, dummy_score(data.metric, y[fit.train], y[fit.judge]))
                done += 1
        except InputError as error:
            raise error.within(f"with {same[done].size} rows") from None
        except MatscoutError:
            raise
        except Exception as error:
            at = f"with {same[done].size} rows (fold {same[done].fold}, draw {draw})"
            said = f"{at} no model could be fitted: {type(error).__name__}: {error}"
            raise RunFailed(f"{said}; begin with more (--least)") from error


def _fold_by_fold(
    trainer: TabularTrainer, data: TabularData, fits: Sequence[CurveFold], seed: int
) -> Iterator[float]:
    judge = fold_judge(trainer, data, trainer.hyperparameters, seed)
    work = [(fit.fold, fit.train) for fit in fits]
    with closing(in_order(judge, work, trainer.fold_threads, never)) as judged:
        for score, _ in judged:
            yield score


def _networks(
    trainer: TabularTrainer, data: TabularData, fits: Sequence[CurveFold], seed: int
) -> Iterator[float]:
    """All folds side by side, as `by_epochs` trains them."""
    part = data.shown(trainer.hyperparameters)
    part = replace(part, plan=replace(part.plan, folds=[(f.train, f.judge) for f in fits]))
    networks = [
        network_fold(trainer, part, trainer.hyperparameters, k, seed, torch.device("cpu"))
        for k in range(len(fits))
    ]
    keeper = Keeper(None, "", trainer.cadence)
    run = Lockstep(networks, data.metric, trainer.epochs, trainer.target_name, keeper)
    for _ in run.train(Context(seed=seed)):
        pass
    yield from run.last
