"""What a tabular trainer does with its data, params and folds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from matscout.checkpoint import Checkpoint
from matscout.data.row_shares import shares_of_folds
from matscout.data.splits import Fold, binned
from matscout.data.tables import Table, read_table
from matscout.errors import InputError
from matscout.evaluate.base import Context
from matscout.evaluate.in_order import in_order
from matscout.evaluate.keeper import Keeper
from matscout.evaluate.lockstep import Lockstep, NetworkFold
from matscout.evaluate.objectives import Plan, plan
from matscout.evaluate.outer import only, outer_fold
from matscout.evaluate.tabular_scores import Seen, measurement, views
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
    """A table, its inputs side by side, the folds, and what a dummy scores on each of them.

    `rows` are the numbers that the rows have in the file. `also` are metrics measured beside
    `metric`; `views` says what has to be predicted for all. `shares` has the training rows at
    [step][fold] where steps are shares of the rows.
    """

    table: Table
    columns: tabular.Columns
    plan: Plan
    metric: Metric
    dummies: list[float]
    digest: str
    hyperparameter_names: tuple[str, ...]
    also: tuple[Metric, ...]
    views: tuple[Metric, ...]
    breakdown: bool
    rows: np.ndarray
    shares: list[list[np.ndarray]]

    @property
    def folds(self) -> list[Fold]:
        return self.plan.folds


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
    outer, rows = None, np.arange(len(table))
    if trainer.outer_folds:
        outer = outer_fold(
            table, trainer.outer_folds, trainer.outer_fold, kind=trainer.split,
            classes=task == "classification", seed=trainer.split_seed,
        )  # fmt: skip
        if not trainer.outer_judge:
            table, rows, outer = only(table, outer[0]), outer[0], None
    chosen = metric(trainer.metric, task, len(table.classes))
    also = tuple(metric(name, task, len(table.classes)) for name in trainer.also)
    for one in (chosen, *also):
        if one.probability and trainer.model in tabular.NO_PROBABILITY:
            what = f"'{one.name}' needs probabilities, and {trainer.model} has none"
            raise InputError("trainer.metric", what, "use pr_auc or roc_auc, or another model")
    columns = tabular.columns(table.numeric, table.categorical)
    y = table.target
    if outer is None:
        made = _plan(trainer, chosen, columns, table)
    else:
        made = Plan("split", chosen, [outer])
    mend = "use split = 'stratified'" if trainer.objective == "split" else ""
    check_folds(made.folds, y, task, chosen.sees, mend)
    shares = _shares(trainer, made.folds, table) if trainer.fidelity == "rows" else []
    for few in shares:
        parts = [(train, judge) for train, (_, judge) in zip(few, made.folds, strict=True)]
        try:
            check_folds(parts, y, task, chosen.sees)
        except InputError as error:
            mend = "let it begin with a larger share"
            raise InputError(
                "trainer.fidelity_steps", f"too few rows: {error.what}", mend
            ) from None
    name = () if trainer.objective == "split" else (trainer.objective, str(made.ends))
    more = [part for few in shares for part in few]
    return TabularData(
        table,
        columns,
        made,
        chosen,
        [dummy_score(chosen, y[train], y[judge]) for train, judge in made.folds],
        digest(
            trainer.model,
            *name,
            columns.x,
            y,
            *(part for fold in made.folds for part in fold),
            *more,
        ),
        tabular.hyperparameter_names(trainer.model, task),
        also,
        views(chosen, also, trainer.breakdown),
        trainer.breakdown,
        rows,
        shares,
    )


def _shares(trainer: TabularTrainer, folds: list[Fold], table: Table) -> list[list[np.ndarray]]:
    """The training rows at [step][fold]: groups whole where the split keeps them whole, classes (and,
    where the split is stratified, tenths of the target) in their shares."""
    grouped = trainer.split == "grouped"
    labels = None
    if not grouped and trainer.task == "classification":
        labels = table.target
    elif not grouped and trainer.split == "stratified":
        labels = binned(table.target, trainer.folds)
    last = trainer.fidelity_steps[-1]
    return shares_of_folds(
        folds, [step / last for step in trainer.fidelity_steps], labels=labels,
        groups=table.groups if grouped else None, seed=trainer.split_seed,
    )  # fmt: skip


def _plan(trainer: TabularTrainer, chosen: Metric, columns: tabular.Columns, table: Table) -> Plan:
    # Clusters alone look at inputs ahead of the folds: all rows', but at no target. No model sees
    # what is fitted here.
    x = columns.x
    if trainer.objective == "loco":
        x = tabular.preparation(columns, hyper.PrepareSettings()).fit_transform(x)
    return plan(
        trainer.objective, chosen, table.target, x, kind=trainer.split, folds=trainer.folds,
        repeats=trainer.repeats, fraction=trainer.fraction, groups=table.groups,
        classes=trainer.task == "classification", clusters=trainer.clusters,
        toward=trainer.toward, seed=trainer.split_seed,
    )  # fmt: skip


def by_folds(
    trainer: TabularTrainer, data: TabularData, params: Mapping[str, Any], context: Context
) -> Iterator[Report | Measurement]:
    """Fit and judge fold after fold; a retried attempt goes on with the first not yet judged, and says
    again what it said of those before: any of it may have died on its way."""
    judge = fold_judge(trainer, data, params, context.seed)
    done = FoldScores(data)
    print_of = trainer.fingerprint(data.digest, params, context.seed)
    keeper = Keeper(context.checkpoints, print_of, trainer.cadence)
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
    that judge in that fold, and the predictions for them. InputError for bad params, before
    anything is fitted.
    """
    x, y = data.columns.x, data.table.target
    if trainer.task == "classification":
        y = y.astype(np.int64)
    make = partial(tabular.pipeline, trainer.model, cast(Task, trainer.task), data.columns, params)
    make(0)
    if params.get("target_transform") == "log1p":
        tabular.check_log_target(y)

    def judged(fold: tuple[int, np.ndarray]) -> tuple[float, Seen]:
        number, train = fold
        judge = data.folds[number][1]
        own = np.random.SeedSequence([seed, number]).generate_state(1)[0]
        fitted = tabular.fit(make(int(own)), x[train], y[train])
        seen: dict[str, np.ndarray] = {
            v.sees: tabular.predictions(fitted, x[judge], v) for v in data.views
        }
        return data.metric.score(y[judge], seen[data.metric.sees]), seen

    return judged


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
        _network_fold(trainer, data, params, fold, context.seed, device)
        for fold in range(len(data.folds))
    ]
    print_of = trainer.fingerprint(data.digest, params, context.seed)
    keeper = Keeper(context.checkpoints, print_of, trainer.cadence)
    run = Lockstep(parts, data.metric, trainer.epochs, trainer.target_name, keeper, data.plan.value)
    if (yield from run.train(context)):
        seen: list[Seen] = [{v.sees: part.predictions(v) for v in data.views} for part in parts]
        yield finish(trainer, data, run.last, seen, context)


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
        for row, value in zip(judge, one[data.metric.sees], strict=True)
    ]
    write_predictions(context.workdir, [str(row) for row in data.rows], rows)
    return measurement(data, trainer.target_name, scores, seen, f"{trainer.model} trainer")
