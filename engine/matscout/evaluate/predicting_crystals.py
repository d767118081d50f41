"""What the networks that trials of crystals have left say of crystals that they have not seen.

They are not trained again: that would take as long as the trials did, on a GPU perhaps, and what was
scored are these very networks, one for each fold. Their mean predicts (Krogh and Vedelsby, NIPS 7, 231
(1994)).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure

from matscout.checkpoint import Checkpoint
from matscout.data.structures import StructureSet
from matscout.errors import InputError
from matscout.evaluate.crystal_data import CrystalData
from matscout.evaluate.crystal_networks import Networks
from matscout.evaluate.crystal_source import SourceRun, SourceTable
from matscout.evaluate.drawn_graphs import DrawnGraphs
from matscout.evaluate.lockstep import NetworkFold, restored
from matscout.evaluate.predicting import FoldGuess, Guess, Member, Predicted, judged_once
from matscout.evaluate.tabular_scores import LABELS
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.models.hyperparameters import GraphTransferSettings, settings
from matscout.models.metrics import METRICS, Metric
from matscout.models.task_objective import TaskObjective
from matscout.models.uncertainty.belief import Belief, together
from matscout.models.uncertainty.objective import UncertainObjective

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_VALUE = METRICS["mae"]  # whatever it is judged by: sees values in the target's own unit


@dataclass(frozen=True)
class Kept:
    """The networks that a trial has left, one for each fold."""

    member: Member
    checkpoint: Checkpoint


@dataclass(frozen=True)
class CrystalsPredicted:
    """By the networks of T trials and K folds. `each` number that the trainer learns, its own first;
    `belief` of the first, where the networks state one. `scores` (T, K) are what the networks score on
    the rows that judge each fold, `then` what the checkpoints say that they scored. `missing`
    (m, T * K): elements of a new crystal that a network has never been shown.
    """

    each: tuple[Predicted, ...]
    belief: Belief | None
    scores: Array
    then: Array
    missing: tuple[tuple[tuple[str, ...], ...], ...]


def predict_crystals(
    trainer: CrystalGraphTrainer,
    members: Sequence[Kept],
    new: Sequence[Structure],
    where: Sequence[str],
) -> CrystalsPredicted:
    """Of the m crystals `new`, which `where` names, by the mean of the networks of all `members`. On the
    CPU. InputError for networks that do not fit or were not trained to their end, and for a crystal
    with an element that none of them has been shown.
    """
    own, given = trainer.data, [{**trainer.hyperparameters, **m.member.params} for m in members]
    known = [elements for params in given for elements in _known(own, params)]
    missing = _missing(known, new, where)
    data, count = _beside(own, new), len(own.crystals)
    asked = count + np.arange(len(new))
    told = [
        _told(trainer, data, params, one, asked) for params, one in zip(given, members, strict=True)
    ]
    folds = [_Said.mean(of_fold) for of_fold in zip(*(said for said, _ in told), strict=True)]
    first = judged_once(data.folds, count)
    tasks = 1 if data.crystals.others is None else 1 + data.crystals.others.shape[1]
    said = [one for of_trial, _ in told for one in of_trial]
    return CrystalsPredicted(
        tuple(_predicted(own, folds, first, task) for task in range(tasks)),
        together([one.belief for one in said if one.belief is not None]),
        np.array([[one.score for one in of_trial] for of_trial, _ in told]),
        np.array([then for _, then in told]),
        missing,
    )


def _told(
    trainer: CrystalGraphTrainer,
    data: CrystalData,
    params: Mapping[str, Any],
    kept: Kept,
    asked: Index,
) -> tuple[list[_Said], list[float]]:
    """By the networks of one trial, one a fold; and what they scored when they were trained."""
    networks = Networks(trainer, data, data.shaped(params), kept.member.seed, torch.device("cpu"))
    parts = [networks.fold(number) for number in range(len(data.folds))]
    where = f"the checkpoint of trial {kept.member.trial} at step {kept.checkpoint.step}"
    try:
        past = restored(parts, kept.checkpoint)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(where, f"cannot be used ({error!s:.80})", "train it again") from None
    done = [epoch for epoch in past if len(epoch) == len(parts)]
    if len(done) < trainer.epochs:
        what = f"has the networks of epoch {len(done)} of {trainer.epochs}"
        raise InputError(where, what, "train it again")
    return [_Said.of(part, data.metric, asked) for part in parts], done[-1]


@dataclass(frozen=True)
class _Said:
    """By the network of one fold, or the mean of several of it: about the rows that the fold judges, and
    the new ones; by task. A mean has no score and no belief of its own."""

    judged: list[Guess]
    new: list[Guess]
    belief: Belief | None = None
    score: float = math.nan

    @classmethod
    def mean(cls, each: Sequence[_Said]) -> _Said:
        """Of the networks that several trials have for one fold: none has seen what it judges."""
        judged = [_mean(of_task) for of_task in zip(*(one.judged for one in each), strict=True)]
        return cls(judged, [_mean(own) for own in zip(*(one.new for one in each), strict=True)])

    @classmethod
    def of(cls, part: NetworkFold, metric: Metric, asked: Index) -> _Said:
        of_judged, of_new = part.fit.outputs(part.judge), part.fit.outputs(asked)
        score = metric.score(part.truth, part.objective.predictions(of_judged, metric))
        belief = None
        if isinstance(part.objective, UncertainObjective):
            belief = part.objective.belief(of_new)
        return cls(_guesses(part, of_judged), _guesses(part, of_new), belief, score)


def _guesses(part: NetworkFold, outputs: torch.Tensor) -> list[Guess]:
    objective = part.objective
    if isinstance(objective, TaskObjective):
        tasks = range(len(objective.tasks))
        return [Guess(objective.of_task(task, outputs, _VALUE)) for task in tasks]
    if objective.task == "regression":
        return [Guess(objective.predictions(outputs, _VALUE))]
    labels = objective.predictions(outputs, LABELS)
    chances = torch.softmax(outputs.detach().double().cpu(), dim=1).numpy()
    return [Guess(labels, labels, chances)]


def _predicted(
    data: CrystalData, said: Sequence[_Said], first: Sequence[tuple[int, Index]], task: int
) -> Predicted:
    """Of one number, from what is `said` in each fold: the mean over all folds, and what each says where
    it judges crystals that have that number."""
    others = data.crystals.others
    truth = data.crystals.target if task == 0 else cast(Array, others)[:, task - 1]
    folds = []
    for number, rows in first:
        judge = data.folds[number][1]
        here = np.flatnonzero(np.isin(judge, rows) & np.isfinite(truth[judge]))
        if len(here):
            own = _taken(said[number].judged[task], here)
            folds.append(FoldGuess(judge[here], own, said[number].new[task]))
    return Predicted(_mean([one.new[task] for one in said]), tuple(folds))


def _taken(one: Guess, places: Index) -> Guess:
    if one.labels is None or one.chances is None:
        return Guess(one.seen[places])
    return Guess(one.seen[places], one.labels[places], one.chances[places])


def _mean(said: Sequence[Guess]) -> Guess:
    """Of classes the mean probabilities, and the label that they make likeliest."""
    each = [one.chances for one in said if one.chances is not None]
    if not each:
        return Guess(np.mean([one.seen for one in said], axis=0))
    chances = np.mean(each, axis=0)
    labels = chances.argmax(axis=1).astype(float)
    return Guess(labels, labels, chances)


def _beside(data: CrystalData, new: Sequence[Structure]) -> CrystalData:
    """The crystals with the new ones after them. Their targets are the first known one's: no fit looks
    at them, for no fold has their rows."""
    old = data.crystals
    structures = (*old.structures, *new)
    target = np.concatenate(
        [old.target, np.repeat(old.target[np.isfinite(old.target)][:1], len(new))]
    )
    others = old.others
    if others is not None:
        others = np.vstack([others, np.full((len(new), others.shape[1]), np.nan)])
    ids = (*old.ids, *(f"new {k}" for k in range(len(new))))
    crystals = StructureSet(ids, structures, target, others)
    return replace(data, crystals=crystals, drawn=DrawnGraphs(structures))


def _known(data: CrystalData, params: Mapping[str, Any]) -> list[frozenset[str]]:
    """The elements that the network of each fold has been shown: in the crystals that it was trained on,
    and in those of its source. With `pairwise` the vector of an element that its own crystals alone have
    stays as it was drawn; but the head has been fitted to what it gives, and that was scored.
    """
    known = [_elements(data.crystals.structures, train) for train, _ in data.folds]
    source = data.source
    if source is None or settings(GraphTransferSettings, params).transfer == "scratch":
        return known
    if isinstance(source, SourceTable):
        more = [_elements(source.graphs.structures, rows) for rows in source.rows]
    else:
        assert isinstance(source, SourceRun)
        more = list(source.elements)
    return [own | other for own, other in zip(known, more, strict=True)]


def _missing(
    known: Sequence[frozenset[str]], new: Sequence[Structure], where: Sequence[str]
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """See CrystalsPredicted. The vector of an element that a network was never shown is drawn at random,
    and what it says of it means nothing: InputError where that is so for all of them."""
    somewhere = frozenset().union(*known)
    found = []
    for structure, place in zip(new, where, strict=True):
        own = {site.specie.symbol for site in structure}
        unknown = sorted(own - somewhere)
        if unknown:
            what = f"no crystal that was learned from has {', '.join(unknown)}"
            mend = "leave it out: the networks know nothing of that element"
            raise InputError(place, what, mend)
        found.append(tuple(tuple(sorted(own - each)) for each in known))
    return tuple(found)


def _elements(structures: Sequence[Structure], rows: Index) -> frozenset[str]:
    return frozenset(site.specie.symbol for row in rows for site in structures[row])
