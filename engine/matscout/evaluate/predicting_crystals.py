"""What the networks that a trial of crystals has left say of crystals that it has not seen.

They are not trained again: that would take as long as the trial did, on a GPU perhaps, and what was
scored are these very networks, one for each fold. Their mean predicts (Krogh and Vedelsby, NIPS 7, 231
(1994)).
"""

from __future__ import annotations

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
from matscout.evaluate.predicting import FoldGuess, Guess, Predicted, judged_once
from matscout.evaluate.tabular_scores import LABELS
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.models.hyperparameters import GraphTransferSettings, settings
from matscout.models.metrics import METRICS, Metric
from matscout.models.task_objective import TaskObjective
from matscout.models.uncertainty.belief import Belief
from matscout.models.uncertainty.objective import UncertainObjective

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_VALUE = METRICS["mae"]  # whatever it is judged by: sees values in the target's own unit


@dataclass(frozen=True)
class CrystalsPredicted:
    """`each` number that the trainer learns, its own first; `belief` of the first, where the networks
    state one. `scores` (K,) are what the networks score on the rows that judge each fold, `then` what
    the checkpoint says that they scored. `missing` (m, K): elements of a new crystal that the network
    of a fold has never seen.
    """

    each: tuple[Predicted, ...]
    belief: Belief | None
    scores: Array
    then: Array
    missing: tuple[tuple[tuple[str, ...], ...], ...]


def predict_crystals(
    trainer: CrystalGraphTrainer,
    params: Mapping[str, Any],
    seed: int,
    kept: Checkpoint,
    new: Sequence[Structure],
    where: Sequence[str],
) -> CrystalsPredicted:
    """Of the m crystals `new`, which `where` names, by the networks in `kept` of the trial with these
    params (the trainer's hyperparameters included) and that seed. On the CPU. InputError for networks
    that do not fit or were not trained to their end, and for a crystal with an element that none of
    them has seen.
    """
    own = trainer.data
    missing = _missing(own, params, new, where)
    data, count = _beside(own, new), len(own.crystals)
    networks = Networks(trainer, data, data.shaped(params), seed, torch.device("cpu"))
    parts = [networks.fold(number) for number in range(len(data.folds))]
    try:
        past = restored(parts, kept)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        what = f"cannot be used ({error!s:.80})"
        raise InputError(f"the checkpoint at step {kept.step}", what, "train it again") from None
    done = [epoch for epoch in past if len(epoch) == len(parts)]
    if len(done) < trainer.epochs:
        what = f"has the networks of epoch {len(done)} of {trainer.epochs}"
        raise InputError(f"the checkpoint at step {kept.step}", what, "train it again")
    asked = count + np.arange(len(new))
    said = [_Said.of(part, data.metric, asked) for part in parts]
    first = judged_once(data.folds, count)
    tasks = 1 if data.crystals.others is None else 1 + data.crystals.others.shape[1]
    return CrystalsPredicted(
        tuple(_predicted(own, parts, said, first, task) for task in range(tasks)),
        _together([one.belief for one in said if one.belief is not None]),
        np.array([one.score for one in said]),
        np.array(done[-1]),
        missing,
    )


@dataclass(frozen=True)
class _Said:
    """By the network of one fold: about the rows that it judges, and the new ones; by task."""

    judged: list[Guess]
    new: list[Guess]
    belief: Belief | None
    score: float

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
    data: CrystalData,
    parts: Sequence[NetworkFold],
    said: Sequence[_Said],
    first: Sequence[tuple[int, Index]],
    task: int,
) -> Predicted:
    """Of one number: the mean over all folds, and what each says where it judges crystals that have
    that number."""
    others = data.crystals.others
    truth = data.crystals.target if task == 0 else cast(Array, others)[:, task - 1]
    folds = []
    for number, rows in first:
        judge = parts[number].judge
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


def _together(each: Sequence[Belief]) -> Belief | None:
    """By the law of total variance: what the folds' networks do not agree on is epistemic, with K - 1
    below the line as between the members of an ensemble."""
    if not each:
        return None
    means = np.stack([one.mean for one in each])
    between = means.var(axis=0, ddof=1) if len(each) > 1 else np.zeros(means.shape[1])
    within, noise = (
        np.mean([np.square(getattr(one, name)) for one in each], axis=0)
        for name in ("epistemic", "aleatoric")
    )
    return Belief(means.mean(axis=0), np.sqrt(within + between), np.sqrt(noise))


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


def _missing(
    data: CrystalData, params: Mapping[str, Any], new: Sequence[Structure], where: Sequence[str]
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """See CrystalsPredicted. The vector of an element that a network was never shown is drawn at random,
    and what it says of it means nothing: InputError where that is so for all of them."""
    known = [_elements(data.crystals.structures, train) for train, _ in data.folds]
    source = data.source
    if source is not None and settings(GraphTransferSettings, params).transfer != "scratch":
        if isinstance(source, SourceTable):
            more = [_elements(source.graphs.structures, rows) for rows in source.rows]
        else:
            assert isinstance(source, SourceRun)
            more = list(source.elements)
        known = [own | other for own, other in zip(known, more, strict=True)]
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
