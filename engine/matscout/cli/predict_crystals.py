"""`matscout predict RUN NEW` for a run of `crystal_graph`: what the networks of its best trials say."""

from __future__ import annotations

import json as jsonlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from matscout.cli import registry
from matscout.cli.predicted_csv import belief_cells, number_cells, with_cells
from matscout.cli.predicted_words import bounds, finite, score_told
from matscout.data.new_structures import NewStructures, read_new_structures
from matscout.data.text_table import as_number, is_missing
from matscout.data.whole_file import write_whole
from matscout.drive.config import Part
from matscout.drive.members import Members
from matscout.drive.members_crystals import choose_networks
from matscout.drive.run import RunSpec
from matscout.errors import InputError, RunFailed, one_line
from matscout.evaluate.kept_networks import kept_networks, networks_digest
from matscout.evaluate.predicting import Member, Predicted
from matscout.evaluate.predicting_bounds import intervals, label_sets
from matscout.evaluate.predicting_crystals import CrystalsPredicted, Kept, predict_crystals
from matscout.evaluate.trainer_crystal import CrystalGraphTrainer
from matscout.history import History
from matscout.models.metrics import Metric, of_values
from matscout.report.markup import number
from matscout.runfolder import RunFolder

SAME = 1e-3
"""Up to which share of what it scored a network passes for the one that was scored: on a GPU sums are
rounded otherwise, and in bfloat16 to three digits."""


@dataclass(frozen=True)
class Scored:
    """Of one number: the metric on the crystals of the run, each by networks trained without it, and on
    the `count` new ones that have that number; the median width of intervals, or of sets of classes.
    """

    inner: float
    score: float | None
    count: int
    wide: float


@dataclass(frozen=True)
class Answer:
    """All that is written and said. `cells` are the new columns by name, (m,) each."""

    folder: RunFolder
    trainer: CrystalGraphTrainer
    chosen: Members
    kept: Sequence[Kept]
    rows: NewStructures
    level: float
    cells: dict[str, list[Any]]
    metric: Metric
    each: dict[str, Scored]
    again: float


def predict(
    folder: RunFolder, history: History, spec: RunSpec, new: Path | None, out: Path, level: float,
    select: str | None, json: bool,
) -> int:  # fmt: skip
    """Predict the crystals of `new`, and write them with intervals and warnings to `out`."""
    if new is None:
        what = f"run '{folder.name}' has no sealed rows: it learned from crystals"
        raise InputError("--final", what, "name the crystals to predict")
    trainer = _trainer(spec)
    chosen = choose_networks(folder.name, history, spec.seed, select)
    rows = read_new_structures(new)
    kept = [_kept(folder, history, spec, trainer, chosen, m) for m in chosen.members]
    truths = {
        name: _truth(rows, name, trainer) for name in (trainer.predict, *trainer.also_predict)
    }
    try:
        made = predict_crystals(trainer, kept, rows.structures, rows.where)
    except InputError as error:
        raise (error if error.where in rows.where else error.within(folder.name)) from None
    _check_scored(folder, history, trainer, chosen, made)
    _check_finite(folder, rows, made)
    cells, each = _cells(trainer, made, truths, level)
    cells["warning"] = _warnings(trainer, rows, made)
    # Of each trial by itself: the worst of them is no measure of the best.
    sizes = np.abs(made.then).max(axis=1)
    off = np.abs(made.scores - made.then).max(axis=1)
    again = float((off / np.where(sizes > 0.0, sizes, 1.0)).max())
    answer = Answer(folder, trainer, chosen, kept, rows, level, cells, _judge(trainer), each, again)
    write_whole(out, with_cells(rows.text, cells).encode("utf-8", "replace"))
    if json:
        print(jsonlib.dumps(_plain(answer, out), indent=1, allow_nan=False))
    else:
        for line in lines(answer, out):
            print(one_line(line))
    return 0


def _kept(
    folder: RunFolder, history: History, spec: RunSpec, trainer: CrystalGraphTrainer,
    chosen: Members, member: Member,
) -> Kept:  # fmt: skip
    """What the member's trial has left; where nothing is, the best alone may still predict."""
    assert member.trial is not None  # nothing untuned
    trial = history.trials[member.trial]
    try:
        found = kept_networks(f"run '{folder.name}'", folder.root, trial, trainer, spec.seed)
    except InputError as error:
        if member is chosen.members[0]:
            raise
        raise InputError(error.where, error.what, f"{error.mend}, or say --select best") from None
    return Kept(member, found)


def _trainer(spec: RunSpec) -> CrystalGraphTrainer:
    part = spec.config["evaluator"]
    base = Path(spec.origin.get("path", "")).absolute().parent
    return cast(CrystalGraphTrainer, registry.evaluator_factory(Part(**part), base)())


def _check_scored(
    folder: RunFolder, history: History, trainer: CrystalGraphTrainer, chosen: Members,
    made: CrystalsPredicted,
) -> None:  # fmt: skip
    """That each checkpoint is of the networks whose value the journal has."""
    for member, scores in zip(chosen.members, made.then, strict=True):
        assert member.trial is not None
        said = history.trials[member.trial].values.get(trainer.target_name)
        then = float(np.mean(scores))
        if said is not None and not math.isclose(said, then, rel_tol=1e-9, abs_tol=1e-12):
            what = f"its networks scored {number(then)}, and the journal says {number(said)}"
            where = f"{folder.checkpoints(member.trial)}"
            raise InputError(where, what, "restore the checkpoint, or train it again")


def _check_finite(folder: RunFolder, rows: NewStructures, made: CrystalsPredicted) -> None:
    """Of classes the probabilities: a label is a number, whatever they are."""
    each = [one.new.seen if one.new.chances is None else one.new.chances for one in made.each]
    for said in each if made.belief is None else [*each, made.belief.sd]:
        odd = np.flatnonzero(~np.isfinite(said.reshape(len(rows), -1)).all(axis=1))
        if len(odd):
            place = rows.where[int(odd[0])]
            raise RunFailed(f"{place}: the networks of {folder.name} give no finite prediction")


def _judge(trainer: CrystalGraphTrainer) -> Metric:
    """What predictions are judged by: a belief by its mean."""
    return of_values(trainer.data.metric)


def _truth(rows: NewStructures, name: str, trainer: CrystalGraphTrainer) -> np.ndarray | None:
    """What the table says of it, (m,), NaN where a cell is empty; None where it says nothing."""
    if name not in rows.text.header:
        return None
    found, classes = np.full(len(rows), math.nan), trainer.data.classes
    what = "a finite number" if not classes else f"a class, 0 to {classes - 1},"
    for row, cell in enumerate(rows.text.column(name)):
        if is_missing(cell):
            continue
        value = as_number(cell)
        if value is None or (classes and value not in range(classes)):
            said = f"'{name}' must be {what} or empty, got '{cell:.40}'"
            raise InputError(rows.text.at(row), said, "mend it, or leave the cell empty")
        found[row] = value
    return None if np.isnan(found).all() else found


def _cells(
    trainer: CrystalGraphTrainer, made: CrystalsPredicted, truths: dict[str, np.ndarray | None],
    level: float,
) -> tuple[dict[str, list[Any]], dict[str, Scored]]:  # fmt: skip
    data, judge = trainer.data, _judge(trainer)
    cells: dict[str, list[Any]] = {}
    each: dict[str, Scored] = {}
    for place, (name, truth) in enumerate(truths.items()):
        one, known = made.each[place], data.crystals.target
        if place:
            assert data.crystals.others is not None
            known = data.crystals.others[:, place - 1]
        if trainer.task == "classification":
            wide = _class_cells(cells, one, known, level)
        else:
            wide = _number_cells(cells, f" of {name}" if place else "", one, known, level)
        each[name] = _scored(judge, one, known, truth, wide)
    if made.belief is not None:
        cells |= belief_cells(made.belief)
    return cells, each


def _number_cells(
    cells: dict[str, list[Any]], beside: str, one: Predicted, known: np.ndarray, level: float
) -> float:
    low, high = intervals(one.folds, known, one.new.seen, level)
    named = (("prediction", one.new.seen), ("low", low), ("high", high))
    cells |= {name + beside: number_cells(values) for name, values in named}
    return float(np.median(high - low))


def _class_cells(
    cells: dict[str, list[Any]], one: Predicted, known: np.ndarray, level: float
) -> float:
    labels, chances = one.new.labels, one.new.chances
    assert labels is not None and chances is not None
    sets = label_sets(one.folds, known, labels, level)
    cells["prediction"] = labels.astype(int).tolist()
    for label, column in enumerate(chances.T):
        cells[f"probability of {label}"] = number_cells(column)
    cells["set"] = [" | ".join(map(str, np.flatnonzero(row))) for row in sets]
    return float(sets.sum(axis=1).mean())


def _scored(
    judge: Metric, one: Predicted, known: np.ndarray, truth: np.ndarray | None, wide: float
) -> Scored:
    def seen(guess: Any) -> np.ndarray:
        return np.asarray(guess.chances[:, 1] if judge.sees == "score" else guess.seen)

    inner = judge.score(
        np.concatenate([known[fold.judged] for fold in one.folds]),
        np.concatenate([seen(fold.of_judged) for fold in one.folds]),
    )
    if truth is None:
        return Scored(inner, None, 0, wide)
    there = np.isfinite(truth)
    count = int(there.sum())
    few = count < judge.first  # which of them are best makes no difference
    score = math.nan if few else judge.score(truth[there], seen(one.new)[there])
    return Scored(inner, score, count, wide)


def _warnings(
    trainer: CrystalGraphTrainer, rows: NewStructures, made: CrystalsPredicted
) -> list[str]:
    """In what each crystal lies outside those that were learned from; empty: in nothing."""
    known = [one.volume / len(one) for one in trainer.data.crystals.structures]
    low, high = min(known), max(known)
    found = []
    for structure, missing in zip(rows.structures, made.missing, strict=True):
        said = [
            f"element {symbol} unknown to {sum(symbol in one for one in missing)} of"
            f" {len(missing)} networks"
            for symbol in sorted(set().union(*missing))
        ]
        volume = structure.volume / len(structure)
        if not low <= volume <= high:
            way, end = ("below", low) if volume < low else ("above", high)
            said.append(f"{volume:.4g} cubic angstrom an atom is {way} {end:.4g}")
        found.append("; ".join(said))
    return found


def lines(answer: Answer, out: Path) -> list[str]:
    """What a person reads: what predicted, how far to trust it, and where not."""
    trainer, judge, count = answer.trainer, answer.metric, len(answer.rows)
    said = [
        f"{out}: {count} crystals, predicted by {_who(answer)}, trained on"
        f" {len(trainer.data.crystals)} crystals but for those that judge",
        f"chosen: {answer.chosen.why}",
    ]
    for name, one in answer.each.items():
        beside = "" if len(answer.each) == 1 else f" of {name}"
        said.append(
            f"{judge.name}{beside} on the crystals of the run, each by networks trained without it:"
            f" {number(one.inner)}"
        )
        said.append(
            bounds(
                trainer.task, answer.level, one.wide, one="crystal", many="crystals", of="run",
                beside=beside,
            )
        )  # fmt: skip
        if one.score is not None:
            said.append(
                f"{judge.name} on the {one.count} new crystals with a '{name}': {score_told(one.score)}"
            )
    outside = sum(bool(text) for text in answer.cells["warning"])
    if outside:
        said.append(
            f"{outside} of {count} crystals lie outside what was learned from: see 'warning'"
        )
    if answer.again > SAME:
        said.append(
            "beware: here the networks score otherwise than when they were trained, by up to"
            f" {100 * answer.again:.2g} %: other versions of the libraries"
        )
    return said


def _who(answer: Answer) -> str:
    folds, members = len(answer.trainer.data.folds), answer.chosen.members
    names = ", ".join(str(member.trial) for member in members)
    trials = f"trial {names}" if len(members) == 1 else f"trials {names}"
    if folds > 1:
        return f"the mean of the {folds} folds' networks of {trials}"
    return (
        f"the network of {trials}" if len(members) == 1 else f"the mean of the networks of {trials}"
    )


def _plain(answer: Answer, out: Path) -> dict[str, Any]:
    def told(one: Scored) -> dict[str, Any]:
        return {
            "inner": finite(one.inner), "score": finite(one.score), "scored": one.count,
            "width": finite(one.wide),
        }  # fmt: skip

    trainer = answer.trainer
    members = [
        {
            "trial": kept.member.trial, "params": dict(kept.member.params), "seed": kept.member.seed,
            "networks_sha256": networks_digest(kept.checkpoint),
        }
        for kept in answer.kept
    ]  # fmt: skip
    return {
        "file": str(out),
        "run": str(answer.folder.root),
        "members": members,
        "why": answer.chosen.why,
        "networks": len(members) * len(trainer.data.folds),
        "epochs": trainer.epochs,
        "target": trainer.predict,
        "task": trainer.task,
        "trained_on": len(trainer.data.crystals),
        "metric": answer.metric.name,
        **told(answer.each[trainer.predict]),
        "also": {name: told(answer.each[name]) for name in trainer.also_predict},
        "interval": answer.level,
        "outside": sum(bool(text) for text in answer.cells["warning"]),
        "reproduced": answer.again <= SAME,
        "rows": _columns(answer.cells),
    }


def _columns(cells: dict[str, list[Any]]) -> dict[str, Sequence[Any]]:
    ends = ("low", "high")
    return {
        name: [None if cell == "" and name.startswith(ends) else cell for cell in column]
        for name, column in cells.items()
    }
