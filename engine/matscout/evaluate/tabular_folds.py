"""What a tabular trainer does with its data, params and folds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from matscout.checkpoint import Checkpoint
from matscout.data.splits import Fold, split
from matscout.data.tables import Table, read_table
from matscout.evaluate.base import Context
from matscout.evaluate.keeper import Keeper
from matscout.evaluate.lockstep import Lockstep, NetworkFold
from matscout.evaluate.trainer_options import check_folds, digest, write_predictions
from matscout.models import hyperparameters as hyper
from matscout.models import tabular
from matscout.models.fit import Fit
from matscout.models.metrics import Metric, Task, dummy_score, metric
from matscout.models.mlp import Mlp
from matscout.models.objective import Objective
from matscout.trial import Measurement, Report

if TYPE_CHECKING:
    from matscout.evaluate.trainer_tabular import TabularTrainer


@dataclass(frozen=True)
class TabularData:
    """A table, its inputs side by side, the folds, and what a dummy scores on each of them."""

    table: Table
    columns: tabular.Columns
    folds: list[Fold]
    metric: Metric
    dummies: list[float]
    digest: str
    hyperparameter_names: tuple[str, ...]


def load(trainer: TabularTrainer) -> TabularData:
    """Read the table and draw the folds. InputError for whatever a person can mend."""
    task = cast(Task, trainer.task)
    tabular.check_model(trainer.model)
    table = read_table(
        trainer.table,
        trainer.predict,
        inputs=trainer.inputs or None,
        categorical=trainer.categorical,
        group=trainer.group,
        classes=task == "classification",
    )
    chosen = metric(trainer.metric, task, len(table.classes))
    columns = tabular.columns(table.numeric, table.categorical)
    y = table.target
    folds = split(
        trainer.split, y, folds=trainer.folds, repeats=trainer.repeats, fraction=trainer.fraction,
        groups=table.groups, classes=task == "classification", seed=trainer.split_seed,
    )  # fmt: skip
    check_folds(folds, y, task, chosen.sees)
    return TabularData(
        table,
        columns,
        folds,
        chosen,
        [dummy_score(chosen, y[train], y[judge]) for train, judge in folds],
        digest(trainer.model, columns.x, y, *(rows for fold in folds for rows in fold)),
        tabular.hyperparameter_names(trainer.model, task),
    )


def by_folds(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], context: Context
) -> Iterator[Report | Measurement]:
    """Fit and judge fold after fold; a retried attempt goes on with the first not yet judged."""
    x, y = data.columns.x, data.table.target
    if trainer.task == "classification":
        y = y.astype(np.int64)
    make = partial(tabular.pipeline, trainer.model, cast(Task, trainer.task), data.columns, params)
    make(0)  # refuse bad params before anything is fitted
    if params.get("target_transform") == "log1p":
        tabular.check_log_target(y)
    done = _FoldScores()
    print_of = trainer.fingerprint(data.digest, params, context.seed)
    keeper = Keeper(context.checkpoints, print_of, trainer.cadence)
    if keeper.restore(done.restore) and done.scores:
        yield done.report(trainer.target_name, checkpoint=True)
    while len(done.scores) < len(data.folds) and not done.spoilt:
        if context.should_stop():
            return  # every finished fold is saved already
        number = len(done.scores)
        train, judge = data.folds[number]
        seed = np.random.SeedSequence([context.seed, number]).generate_state(1)[0]
        fitted = tabular.fit(make(int(seed)), x[train], y[train])
        guess = tabular.predictions(fitted, x[judge], data.metric)
        done.add(data.metric.score(y[judge], guess), guess)
        keeper.save(len(done.scores), done.capture)
        yield done.report(trainer.target_name, checkpoint=context.checkpoints is not None)
    yield _finish(trainer, data, done.scores, done.guesses, context)


class _FoldScores:
    """The cursor of `by_folds`: score and predictions of each fold that is done."""

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.guesses: list[np.ndarray] = []

    @property
    def spoilt(self) -> bool:
        return not math.isfinite(sum(self.scores))

    def add(self, score: float, guess: np.ndarray) -> None:
        self.scores.append(score)
        self.guesses.append(guess)

    def report(self, target: str, checkpoint: bool) -> Report:
        value = float(np.mean(self.scores))
        return Report(len(self.scores), {target: value}, checkpoint=checkpoint)

    def capture(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {f"fold{k}/predictions": guess for k, guess in enumerate(self.guesses)}
        return arrays, {"scores": list(self.scores)}

    def restore(self, checkpoint: Checkpoint) -> None:
        scores = [float(score) for score in checkpoint.state["scores"]]
        self.guesses = [checkpoint.arrays[f"fold{k}/predictions"] for k in range(len(scores))]
        self.scores = scores


def by_epochs(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], context: Context
) -> Iterator[Report | Measurement]:
    """The networks of all folds side by side, epoch after epoch."""
    hyper.check_names(params, data.hyperparameter_names)
    device = torch.device(context.device)
    parts = [
        _network_fold(trainer, data, params, fold, context.seed, device)
        for fold in range(len(data.folds))
    ]
    print_of = trainer.fingerprint(data.digest, params, context.seed)
    keeper = Keeper(context.checkpoints, print_of, trainer.cadence)
    run = Lockstep(parts, data.metric, trainer.epochs, trainer.target_name, keeper)
    if (yield from run.train(context)):
        guesses = [part.predictions(data.metric) for part in parts]
        yield _finish(trainer, data, run.last, guesses, context)


def _network_fold(
    trainer: TabularTrainer,
    data: TabularData,
    params: Mapping[str, Any],
    number: int,
    seed: int,
    device: torch.device,
) -> NetworkFold:
    train, judge = data.folds[number]
    task, y = cast(Task, trainer.task), data.table.target
    prepare = hyper.settings(hyper.PrepareSettings, params)
    fit_by = hyper.settings(hyper.FitSettings, params)
    size = hyper.settings(hyper.MlpSettings, params)
    transform = tabular.target_transform("mlp", task, prepare)
    if transform == "log1p":
        tabular.check_log_target(y)
    # Fitted by the training rows alone, then applied to all: a pure function of data and params, so
    # it is fitted again, not stored, when a run goes on.
    prepared = tabular.preparation(data.columns, prepare).fit(data.columns.x[train])
    x = torch.tensor(prepared.transform(data.columns.x), dtype=torch.float32, device=device)
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


def _finish(
    trainer: TabularTrainer,
    data: TabularData,
    scores: list[float],
    guesses: list[np.ndarray],
    context: Context,
) -> Measurement:
    y = data.table.target
    rows = [
        (int(row), number, float(y[row]), float(value))
        for number, ((_, judge), guess) in enumerate(zip(data.folds, guesses, strict=False))
        for row, value in zip(judge, guess, strict=True)
    ]
    write_predictions(context.workdir, [str(k) for k in range(len(y))], rows)
    dummies = data.dummies[: len(scores)]
    return trainer.measurement(scores, dummies, data.metric.sign, f"{trainer.model} trainer")
