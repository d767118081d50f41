"""What a tabular trainer does with its data, params and folds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from matscout.checkpoint import Checkpoint
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.in_order import in_order
from matscout.evaluate.keeper import Keeper
from matscout.evaluate.lockstep import Lockstep, NetworkFold
from matscout.evaluate.tabular_data import TabularData, print_of
from matscout.evaluate.tabular_scores import Seen, measurement
from matscout.evaluate.trainer_options import write_predictions
from matscout.models import hyperparameters as hyper
from matscout.models import tabular
from matscout.models.fit import Fit
from matscout.models.metrics import Task, of_values
from matscout.models.mlp import Mlp
from matscout.models.objective import Objective
from matscout.trial import Measurement, Report

if TYPE_CHECKING:
    from matscout.evaluate.trainer_tabular import TabularTrainer


def by_folds(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], context: Context
) -> Iterator[Report | Measurement]:
    """Fit and judge fold after fold; a retried attempt goes on with the first not yet judged, and says
    again what it said of those before: any of it may have died on its way."""
    judge = fold_judge(trainer, data, params, context.seed)
    done = FoldScores(data)
    keeper = Keeper(context.checkpoints, print_of(trainer, data, params, context), trainer.cadence)
    if keeper.restore(done.restore):
        for fold in range(1, len(done.scores) + 1):
            yield done.report(trainer.target_name, fold, checkpoint=fold == len(done.scores))
    left = range(len(done.scores), len(data.folds)) if not done.spoilt else ()
    work = [(number, data.folds[number][0]) for number in left]
    with closing(in_order(judge, work, trainer.fold_threads, context.should_stop)) as judged:
        for score, seen in judged:
            done.add(score, seen)
            keeper.save(len(done.scores), done.capture)
            yield done.report(
                trainer.target_name, len(done.scores), checkpoint=context.checkpoints is not None
            )
            if done.spoilt:
                break
    if len(done.scores) < len(data.folds) and not done.spoilt:
        return  # stopped, and every finished fold is saved already
    yield finish(trainer, data, done.scores, done.seen, context)


def fold_judge(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], seed: int
) -> Callable[[tuple[int, np.ndarray]], tuple[float, Seen]]:
    """What fits (a fold's number, its training rows or some of them), and gives the score on the rows
    that judge in that fold, and the predictions for them. See `fold_fit` for what is raised.
    """
    data = data.shown(params)
    fitted_on, y = fold_fit(trainer, data, params, seed), data.table.target
    if trainer.task == "classification":
        y = y.astype(np.int64)

    def judged(fold: tuple[int, np.ndarray]) -> tuple[float, Seen]:
        judge, fitted = data.folds[fold[0]][1], fitted_on(fold)
        x = data.columns.x[judge]
        seen: dict[str, np.ndarray] = {
            v.sees: tabular.predictions(fitted, x, v) for v in data.views
        }
        return data.metric.score(y[judge], seen[data.metric.sees]), seen

    return judged


def fold_fit(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], seed: int
) -> Callable[[tuple[int, np.ndarray]], Any]:
    """What makes of (a fold's number, its training rows or some of them) the fitted pipeline: the
    trial's seed and that number are all it draws from. InputError for bad params, before anything
    is fitted, and for training rows that these params cannot learn from.
    """
    data = data.shown(params)
    x, y = data.columns.x, data.table.target
    if trainer.task == "classification":
        y = y.astype(np.int64)
    make = partial(tabular.pipeline, trainer.model, cast(Task, trainer.task), data.columns, params)
    make(0)
    if any(view.sees == "belief" for view in data.views):
        tabular.check_belief_target(params.get("target_transform", "auto"))
    if params.get("target_transform") == "log1p":
        tabular.check_log_target(y[np.concatenate([train for train, _ in data.folds])])

    def fitted(fold: tuple[int, np.ndarray]) -> Any:
        number, train = fold
        own = np.random.SeedSequence([seed, number]).generate_state(1)[0]
        with _naming(number):
            return tabular.fit(
                make(int(own)), x[train], y[train],
                None if data.groups is None else data.groups[train],
                None if data.amounts is None else data.amounts[train],
            )  # fmt: skip

    return fitted


@contextmanager
def _naming(fold: int) -> Iterator[None]:
    """A technique that refuses training rows is told with their fold."""
    try:
        yield
    except InputError as error:
        raise error.within(f"fold {fold}") from None


class FoldScores:
    """The cursor of `by_folds`: score and predictions of each fold that is done."""

    def __init__(self, data: TabularData) -> None:
        self.scores: list[float] = []
        self.seen: list[Seen] = []
        self._data = data

    @property
    def spoilt(self) -> bool:
        return not math.isfinite(sum(self.scores))

    def add(self, score: float, seen: Seen) -> None:
        self.scores.append(score)
        self.seen.append(seen)

    def report(self, target: str, fold: int, checkpoint: bool) -> Report:
        """After the first `fold` folds."""
        value = self._data.plan.value(self.scores[:fold])
        return Report(fold, {target: value}, checkpoint=checkpoint)

    def capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {
            f"fold{k}/{self._called(sees)}": guess
            for k, seen in enumerate(self.seen)
            for sees, guess in seen.items()
        }
        return arrays, {"scores": list(self.scores)}

    def restore(self, checkpoint: Checkpoint) -> None:
        scores = [float(score) for score in checkpoint.state["scores"]]
        self.seen = [
            {
                view.sees: checkpoint.arrays[f"fold{k}/{self._called(view.sees)}"]
                for view in self._data.views
            }
            for k in range(len(scores))
        ]
        self.scores = scores

    def _called(self, sees: str) -> str:
        return "predictions" if sees == self._data.metric.sees else sees


def by_epochs(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], context: Context
) -> Iterator[Report | Measurement]:
    """The networks of all folds side by side, epoch after epoch."""
    hyper.check_names(params, data.hyperparameter_names)
    device = torch.device(context.device)
    parts = [
        network_fold(trainer, data, params, fold, context.seed, device)
        for fold in range(len(data.folds))
    ]
    keeper = Keeper(context.checkpoints, print_of(trainer, data, params, context), trainer.cadence)
    run = Lockstep(parts, data.metric, trainer.epochs, trainer.target_name, keeper, data.plan.value)
    if (yield from run.train(context)):
        seen: list[Seen] = [{v.sees: part.predictions(v) for v in data.views} for part in parts]
        yield finish(trainer, data, run.last, seen, context)


def network_fold(
    trainer: TabularTrainer,
    data: TabularData,
    params: Mapping[str, Any],
    number: int,
    seed: int,
    device: torch.device,
) -> NetworkFold:
    """Fold `number` before its first epoch; it draws from the trial's seed and that number alone."""
    data = data.shown(params)
    train, judge = data.folds[number]
    task, y = cast(Task, trainer.task), data.table.target
    prepare = hyper.settings(hyper.PrepareSettings, params)
    fit_by = hyper.settings(hyper.FitSettings, params)
    size = hyper.settings(hyper.MlpSettings, params)
    transform = tabular.target_transform("mlp", task, prepare)
    if transform == "log1p":
        with _naming(number):
            tabular.check_log_target(y[train])
    # Fitted by the training rows alone, then applied to all: a pure function of data and params, so
    # it is fitted again, not stored, when a run goes on.
    prepared = tabular.preparation(data.columns, prepare).fit(data.columns.x[train])
    x = torch.tensor(prepared.transform(data.columns.x), dtype=torch.float32, device=device)
    with _naming(number):
        objective = Objective(
            task, y, train, fit_by, device, classes=len(data.table.classes), transform=transform
        )
    fit = Fit(
        partial(Mlp, x.shape[1], objective.outputs, size),
        lambda network, rows: network(x[rows]),
        objective,
        fit_by,
        train,
        epochs=trainer.epochs,
        seed=np.random.SeedSequence([seed, number]),
        device=device,
    )
    return NetworkFold(fit, objective, judge, y[judge])


def finish(
    trainer: TabularTrainer,
    data: TabularData,
    scores: list[float],
    seen: Sequence[Seen],
    context: Context,
) -> Measurement:
    y = data.table.target
    rows = [
        (int(row), number, float(y[row]), float(value))
        for number, ((_, judge), one) in enumerate(zip(data.folds, seen, strict=False))
        for row, value in zip(judge, one[of_values(data.metric).sees], strict=True)
    ]
    write_predictions(context.workdir, [str(row) for row in data.rows], rows)
    return measurement(data, trainer.target_name, scores, seen, f"{trainer.model} trainer")
