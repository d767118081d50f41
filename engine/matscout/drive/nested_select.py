"""What a finished sweep makes of its trials by one of the rules of `evaluate.choose`, and what that
scores on rows that the sweep never saw. The predictions are those that each trial has left behind.
"""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matscout.data.split_names import GROUPED
from matscout.drive.left_behind import (
    FILE,
    Predictions,
    predictions_of,
    read_predictions,
    whole_ones,
)
from matscout.drive.nested import SAME_QUESTION, OuterFold, comparable
from matscout.errors import InputError, RunFailed
from matscout.evaluate.base import Context
from matscout.evaluate.choose import Tried, blend, choose
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.history import History
from matscout.models.metrics import METRICS
from matscout.propose.observations import best_of, feasible_trials, value_of
from matscout.runfolder import RunFolder
from matscout.seeds import trial_seed
from matscout.trial import Params, Trial

Array = NDArray[np.float64]

SPLITS = ("kfold", "repeated", "stratified", "grouped")


def check_trainer(rule: str, options: Mapping[str, Any], target: str) -> None:
    """InputError where `average` or `auto` cannot judge what that evaluator leaves behind: every
    row has to be predicted equally often, by models that have not seen it. No rule but `best` has the
    stated uncertainties that some metrics judge.
    """
    name = options.get("metric")
    if rule != "best" and name in METRICS and METRICS[name].sees == "belief":
        what = f"'{rule}' goes by predictions, and '{name}' judges their stated uncertainty"
        raise InputError("--select", what, "say --select best")
    if rule in ("best", "none"):
        return
    objective, split = options.get("objective", "split"), options.get("split", "kfold")
    if objective not in SAME_QUESTION:
        mend = "use objective = 'cv', or --select best"
        raise InputError("--select", f"'{rule}' does not go with the objective '{objective}'", mend)
    if split not in SPLITS:
        mend = "use objective = 'cv' with folds, or --select best"
        raise InputError("--select", f"'{rule}' does not go with the split '{split}'", mend)
    classes = options.get("task", "regression") == "classification"
    metric = options.get("metric") or ("balanced_accuracy" if classes else "mae")
    own = options.get("target") or metric
    if target != own:
        what = f"'{rule}' judges by the trainer's metric '{own}', not by '{target}'"
        raise InputError("--select", what, f"make '{own}' the first target")


def select_outside(
    folder: RunFolder,
    history: History,
    seed: int,
    rule: str,
    inside: TabularTrainer,
    outside: TabularTrainer,
) -> OuterFold:
    """Choose by `rule` among the trials of a finished sweep, fit what was chosen on all visible
    rows, and score it on the hidden ones. `inside` sees the visible rows, `outside` judges by the
    hidden ones alone. Raises RunFailed where no trial has a value or no model a finite score.
    """
    run, target, metric = folder.name, history.targets[0], inside.data.metric
    best = best_of(history)
    if best is None:
        lacking = "keeps the limits" if history.limits and history.completed else "has a value"
        raise RunFailed(f"{run}: no trial {lacking}, so there is nothing to judge")
    known = [t for t in feasible_trials(history) if value_of(t, target) is not None]
    whole, without = whole_ones(folder, known)
    with tempfile.TemporaryDirectory(prefix="matscout-select-") as scratch:
        work = Path(scratch)
        default = predicted(inside, {}, seed, work / "default")
        tried = tried_of(folder, whole, default, inside)
        found = choose(rule, tried, metric, seed)
        members = [whole[m][0] for m in found.members]
        _, truth, plain = predicted(outside, {}, trial_seed(seed, best.id), work / "untuned")
        guesses = [
            predicted(outside, t.params, trial_seed(seed, t.id), work / f"trial-{t.id}")[2]
            for t in members
        ]
    outer = metric.score(truth, blend(np.array(guesses), plain, metric))
    untuned = metric.score(truth, plain)
    if not (math.isfinite(outer) and math.isfinite(untuned)):
        raise RunFailed(f"{run}: what was chosen gives no finite {target.name} on the hidden rows")
    inner = found.honest if rule == "auto" else found.inner
    params: tuple[Params, ...] = tuple(dict(t.params) for t in members)
    first = params[0] if params else {}
    alike = comparable(inside, target)
    return OuterFold(run, first, inner, outer, untuned, params[1:], found.why + without, alike)


def tried_of(
    folder: RunFolder,
    whole: Sequence[tuple[Trial, Predictions]],
    default: Predictions,
    inside: TabularTrainer,
) -> Tried:
    """Of the trials of `whole`, and what each has left. Raises RunFailed where that is about other rows
    than `default` is."""
    rows, truth, guess = default
    place, repeat = _places(rows)
    count, depth = int(place.max()) + 1, int(repeat.max()) + 1

    def laid_out(values: Array) -> Array:
        out = np.full((depth, count), np.nan)
        out[repeat, place] = values
        return out

    guesses = []
    for trial, (own, _, values) in whole:
        if not np.array_equal(own, rows):
            what = f"{predictions_of(folder, trial)}: other rows than those of the untuned model"
            raise RunFailed(f"{what}; sweep again under another --name")
        guesses.append(laid_out(values))
    data = inside.data
    names = np.unique(rows)
    groups = data.table.groups if inside.split in GROUPED else None
    of_row = dict(zip(data.rows.tolist(), range(len(data.rows)), strict=True))
    unit = np.arange(count)
    if groups is not None:
        own_groups = [str(groups[of_row[int(row)]]) for row in names]
        unit = np.unique(own_groups, return_inverse=True)[1]
    shape = (len(guesses), depth, count)
    return Tried(laid_out(truth)[0], np.reshape(guesses, shape), laid_out(guess), unit)


def _places(rows: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each line: which of the rows it is about, and the how manieth about that row."""
    place = np.unique(rows, return_inverse=True)[1]
    seen: dict[int, int] = defaultdict(int)
    repeat = np.empty(len(rows), dtype=np.int64)
    for line, one in enumerate(place.tolist()):
        repeat[line] = seen[one]
        seen[one] += 1
    return place, repeat


def predicted(trainer: TabularTrainer, params: Params, seed: int, work: Path) -> Predictions:
    """What the trainer leaves of these params."""
    for _ in trainer.evaluate(params, Context(seed=seed, workdir=work)):
        pass
    return read_predictions(work / FILE)
