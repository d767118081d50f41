"""Which configurations of a run predict new rows, and whether the table is still the one that the run
learned from.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matscout.bounded_read import read_bounded
from matscout.data.table_digest import table_digest
from matscout.drive.baselines import read_baselines
from matscout.drive.left_behind import Predictions, left_by, whole_ones
from matscout.drive.nested_select import check_trainer, predicted, tried_of
from matscout.errors import InputError, RunFailed
from matscout.evaluate.choose import check_rule, choose
from matscout.evaluate.predicting import Member, Predicted
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.history import History
from matscout.propose.observations import best_of, feasible_trials, value_of
from matscout.runfolder import RunFolder
from matscout.seeds import trial_seed

FILE = "members.json"
DEFAULT_RULE = "average"


@dataclass(frozen=True)
class Members:
    """`why` says in one sentence how they were chosen. `threshold`: of two classes, from which
    probability on the label is the second; None where each member's own labels count. `metric` is
    what they are judged by, empty: the trainer's.
    """

    members: tuple[Member, ...]
    why: str
    threshold: float | None = None
    metric: str = ""


@dataclass(frozen=True)
class Recorded:
    """What a recipe left in `members.json`. `options` are its trainer's."""

    chosen: Members
    options: Mapping[str, Any]
    table_sha256: str


def read_members(folder: RunFolder) -> Recorded | None:
    """None where there is no such file; InputError for one that is none of ours."""
    path = folder.root / FILE
    try:
        raw = json.loads(read_bounded(path))
        members = tuple(
            Member(
                None if m["trial"] is None else int(m["trial"]), dict(m["params"]), int(m["seed"])
            )
            for m in raw["members"]
        )
        if any(m.seed < 0 for m in members):
            raise ValueError("a seed is a whole number >= 0")
        threshold = raw.get("threshold")
        cut = None if threshold is None else float(threshold)
        chosen = Members(members, f"as {FILE} says", cut, str(raw.get("metric") or ""))
        options = {key: value for key, value in raw["trainer"].items() if key != "type"}
        found = Recorded(chosen, options, str(raw["table_sha256"]))
    except FileNotFoundError:
        return None
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ):
        raise InputError(str(path), "cannot be read", "restore it, or say --select") from None
    if not members:
        raise InputError(str(path), "names no model", "say --select")
    return found


def check_table(folder: RunFolder, trainer: TabularTrainer, sha256: str | None) -> None:
    """InputError where the table is another one than the run learned from: by `sha256` of the file
    where it is known, else by what its baselines were measured on (inputs, targets and folds).
    """
    if sha256 is None:
        known = read_baselines(folder)
        same = (
            not known
            or known["target"] != trainer.target_name
            or trainer.is_baseline(known["digest"])
        )
    else:
        same = table_digest(trainer.table, trainer.structures) == sha256
    if not same:
        raise changed(folder, trainer.table)


def choose_members(
    folder: RunFolder,
    history: History,
    seed: int,
    trainer: TabularTrainer,
    options: Mapping[str, Any],
    rule: str | None,
) -> Members:
    """The trials that `rule` takes of those with a value, whose seeds follow from the run's `seed`. No
    rule: `average`, and `best` where what the trials left behind cannot be averaged. `options` are
    the trainer's. Raises RunFailed where no trial has a value.
    """
    target, best = history.targets[0], best_of(history)
    if best is None:
        raise RunFailed(
            f"{folder.name}: no trial has a value yet, so there is nothing to predict with"
        )
    if rule is not None:
        check_rule(rule)
        check_trainer(rule, options, target.name)
    else:
        rule = _usual(options, target.name)
    if rule == "best" or (rule == "average" and len(history.completed) == 1):
        own = Member(best.id, dict(best.params), trial_seed(seed, best.id))
        many = len(history.completed) > 1
        why = f"trial {best.id} has the best {target.name}" if many else "there is one trial"
        return Members((own,), why)
    untuned = Members((Member(None, {}, trial_seed(seed, best.id)),), "nothing tuned: the defaults")
    if rule == "none":
        return untuned
    known = [t for t in feasible_trials(history) if value_of(t, target) is not None]
    whole, without = whole_ones(folder, known)
    with tempfile.TemporaryDirectory(prefix="matscout-members-") as scratch:
        default = predicted(trainer, {}, seed, Path(scratch))
    tried = tried_of(folder, whole, default, trainer)
    found = choose(rule, tried, trainer.data.metric, seed)
    if not found.members:
        return Members(untuned.members, found.why + without)
    taken = [whole[place][0] for place in found.members]
    members = tuple(Member(t.id, dict(t.params), trial_seed(seed, t.id)) for t in taken)
    return Members(members, found.why + without)


def check_left(
    folder: RunFolder, history: History, trainer: TabularTrainer, members: Sequence[Member]
) -> None:
    """InputError where a member's trial was judged by other targets than the table has now."""
    data = trainer.data
    truth = np.concatenate([data.table.target[judge] for _, judge in data.folds])
    for member in members:
        left = _left(folder, history, member)
        if left is not None and not np.array_equal(left[1], truth[: len(left[1])]):
            raise changed(folder, trainer.table)


def deviation(
    folder: RunFolder,
    history: History,
    trainer: TabularTrainer,
    members: Sequence[Member],
    made: Predicted,
) -> float:
    """The largest difference between what the members, fitted again, say of the rows that judged them
    and what their trials said then, in the metric's unit: 0 where they are the same models. NaN
    where nothing is left to compare with.
    """
    ends = np.cumsum([len(judge) for _, judge in trainer.data.folds])
    worst = math.nan
    for member, again in zip(members, made.refitted, strict=True):
        left = _left(folder, history, member)
        if left is None:
            continue
        for number, said in again.items():
            then = left[2][ends[number] - len(said) : ends[number]]
            if len(then) == len(said):
                worst = float(np.nanmax([worst, np.max(np.abs(then - said))]))
    return worst


def _left(folder: RunFolder, history: History, member: Member) -> Predictions | None:
    """What the member's trial left, or None."""
    if member.trial is None or not 0 <= member.trial < len(history.trials):
        return None
    trial = history.trials[member.trial]
    return left_by(folder, trial) if dict(trial.params) == dict(member.params) else None


def _usual(options: Mapping[str, Any], target: str) -> str:
    try:
        check_trainer(DEFAULT_RULE, options, target)
    except InputError:
        return "best"
    return DEFAULT_RULE


def changed(folder: RunFolder, table: Path) -> InputError:
    what = f"has changed since run '{folder.name}' learned from it"
    return InputError(str(table), what, "restore it, or train again")
