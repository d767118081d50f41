"""Configurations of a sweep fitted again, to predict rows that no trial saw.

No model is stored and nothing is unpickled: params and a seed say which model it was, and a fit
draws from nothing else. The fits are those of the sweep (`tabular_folds`): same preparation, seeds,
groups and amounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matscout.data.splits import Fold
from matscout.evaluate.choose import blend
from matscout.evaluate.lockstep import NetworkFold
from matscout.evaluate.tabular_data import TabularData
from matscout.evaluate.tabular_folds import fold_fit, network_fold
from matscout.evaluate.tabular_scores import LABELS
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.models import hyperparameters as hyper
from matscout.models import tabular
from matscout.models.metrics import of_values
from matscout.models.uncertainty.belief import Belief, together

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Member:
    """A configuration with the seed that its trial had. `trial` is None for the untuned defaults."""

    trial: int | None
    params: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class Guess:
    """What is said of m rows. `seen` (m,) is what the metric sees: values in the target's unit, labels,
    or a score for the positive class. For classes `labels` (m,) are their places, and `chances`
    (m, classes) their probabilities; of a model without any, 1 for its label. `belief` is what a
    model of numbers states with them, where it was asked and states any.
    """

    seen: Array
    labels: Array | None = None
    chances: Array | None = None
    belief: Belief | None = None


@dataclass(frozen=True)
class FoldGuess:
    """What models trained without the rows `judged` (j,) say of them, and of all new rows."""

    judged: Index
    of_judged: Guess
    of_new: Guess


@dataclass(frozen=True)
class Predicted:
    """`new`: what all members, trained on all rows, say of the new ones. `folds`: what they say when
    trained without some; every row that the split judges is in one of them, once. `refitted` has
    what each member said of the rows that fold k judges, at [member][k]. `belief` of the new rows is
    that of all members together, where each of them states one.
    """

    new: Guess
    folds: tuple[FoldGuess, ...] = ()
    refitted: tuple[Mapping[int, Array], ...] = field(default=())
    belief: Belief | None = None


def predict_rows(
    trainer: TabularTrainer,
    members: Sequence[Member],
    x: Array,
    *,
    folds: bool,
    data: TabularData | None = None,
) -> Predicted:
    """What the mean of `members` says of rows with the inputs `x` (m, d), laid out as those of `data`
    (if None: of the trainer's data, with all that the members are shown); with `folds` also what is
    needed for intervals. A pure function of the table and of its arguments; on the CPU.
    """
    if data is None:
        data = shown_to(trainer, [member.params for member in members])
    data = _beside(data, x)
    rows, new = np.arange(len(trainer.data.rows)), np.arange(len(x)) + len(trainer.data.rows)
    whole = replace(data, plan=replace(data.plan, folds=[(rows, new)]))
    given = [{**trainer.hyperparameters, **member.params} for member in members]
    said = [
        _says(trainer, whole, params, member.seed, 0, [new], believe=True)[0]
        for member, params in zip(members, given, strict=True)
    ]
    found, again = [], tuple[dict[int, Array], ...]({} for _ in members)
    # Not the end folds of a sorted CV.
    once = judged_once(data.folds, len(data.rows), data.plan.ends) if folds else ()
    for number, judged in once:
        every = data.folds[number][1]
        pairs = [
            _says(trainer, data, params, member.seed, number, [every, new])
            for member, params in zip(members, given, strict=True)
        ]
        for own, (of_every, _) in zip(again, pairs, strict=True):
            own[number] = of_every.seen
        first = np.flatnonzero(np.isin(every, judged))
        of_judged = _taken(_blended(data, [pair[0] for pair in pairs]), first)
        found.append(FoldGuess(every[first], of_judged, _blended(data, [p[1] for p in pairs])))
    beliefs = [one.belief for one in said if one.belief is not None]
    belief = together(beliefs) if len(beliefs) == len(said) else None
    return Predicted(_blended(data, said), tuple(found), again, belief)


def shown_to(trainer: TabularTrainer, params: Iterable[Mapping[str, Any]]) -> TabularData:
    """The trainer's data with all inputs that models of any of these params are shown."""
    return trainer.data.shown(*({**trainer.hyperparameters, **own} for own in params))


def _beside(data: TabularData, x: Array) -> TabularData:
    """The table with new rows below it. What nobody knows of them is filled with what the first row
    has; no fit looks at it, for the folds train on none of them.
    """

    def longer(values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        return np.concatenate([values, np.repeat(values[:1], len(x))])

    target = longer(data.table.target)
    assert target is not None
    return replace(
        data,
        metric=of_values(data.metric),
        columns=replace(data.columns, x=np.vstack([data.columns.x, x])),
        table=replace(data.table, target=target),
        amounts=longer(data.amounts),
        groups=longer(data.groups),
    )


def judged_once(folds: Sequence[Fold], rows: int, start: int = 0) -> list[tuple[int, Index]]:
    """Folds by number from `start` on, and those of all `rows` that each is the first to judge; none
    without any. Of a repeated split these are the folds of the first repeat.
    """
    known = np.zeros(rows, dtype=bool)
    found = []
    for number in range(start, len(folds)):
        judge = folds[number][1]
        first = judge[~known[judge]]
        if len(first):
            found.append((number, first))
            known[first] = True
        if known.all():
            break
    return found


def _says(
    trainer: TabularTrainer,
    data: TabularData,
    params: Mapping[str, Any],
    seed: int,
    number: int,
    asked: Sequence[Index],
    *,
    believe: bool = False,
) -> list[Guess]:
    """One model fitted on the training rows of fold `number`, on each of the blocks of rows; with
    `believe`, with what it states of them."""
    if trainer.model != "mlp":
        fitted = fold_fit(trainer, data, params, seed)((number, data.folds[number][0]))
        return [of_pipeline(data, fitted, data.columns.x[rows], believe) for rows in asked]
    hyper.check_names(params, data.hyperparameter_names)
    fold = network_fold(trainer, data, params, number, seed, torch.device("cpu"))
    for _ in range(trainer.epochs):
        for _ in fold.fit.run_epoch():
            pass
    return [_of_network(data, fold, rows) for rows in asked]


def of_pipeline(data: TabularData, fitted: Any, x: Array, believe: bool = False) -> Guess:
    """What a fitted pipeline says of rows with the inputs `x` (m, d), under the data's metric; with
    `believe`, with what it states of them."""
    seen = tabular.predictions(fitted, x, data.metric)
    if data.metric.task == "regression":
        return Guess(seen, belief=tabular.belief(fitted, x) if believe else None)
    labels = tabular.predictions(fitted, x, LABELS)
    chances = np.zeros((len(x), len(data.table.classes)))
    if hasattr(fitted, "predict_proba"):
        # A fold's training rows may lack a class: its probability is 0 there.
        chances[:, np.asarray(fitted.classes_, dtype=int)] = fitted.predict_proba(x)
    else:
        chances[np.arange(len(x)), labels.astype(int)] = 1.0
    return Guess(seen, labels, chances)


def _of_network(data: TabularData, fold: NetworkFold, rows: Index) -> Guess:
    raw = fold.fit.outputs(rows)
    seen = fold.objective.predictions(raw, data.metric)
    if data.metric.task == "regression":
        return Guess(seen)
    labels = fold.objective.predictions(raw, LABELS)
    return Guess(seen, labels, torch.softmax(raw.detach().double(), dim=1).numpy())


def _blended(data: TabularData, said: Sequence[Guess]) -> Guess:
    """As `choose.blend` does where it decides: the mean, and of labels the commonest."""
    seen = np.stack([one.seen for one in said])
    mean = blend(seen, seen[0], data.metric)
    if data.metric.task == "regression":
        return Guess(mean)
    labels = np.stack([one.labels for one in said if one.labels is not None])
    chances = np.mean([one.chances for one in said if one.chances is not None], axis=0)
    return Guess(mean, blend(labels, labels[0], LABELS), chances)


def _taken(one: Guess, places: Index) -> Guess:
    def some(values: Array | None) -> Array | None:
        return None if values is None else values[places]

    return Guess(one.seen[places], some(one.labels), some(one.chances))
