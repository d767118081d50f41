"""What the trainers have in common: their options, the measurement at the end, the predictions."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matscout.data.split_names import REPEATED
from matscout.data.spreadsheet import safe
from matscout.durable_file import replace_durably
from matscout.errors import InputError, did_you_mean
from matscout.evaluate.keeper import Cadence
from matscout.trial import Measurement, Params, Target

if TYPE_CHECKING:
    from matscout.models.metrics import Metric

TASKS = ("regression", "classification")


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """Options of a trainer. All are plain values (paths may be text); data are read when first
    needed, once per process.

    `metric` is measured under the name `target` (the metric's own, if None). The split is drawn
    from `split_seed`, the same for every trial, so that trials can be compared; the trial's own
    seed draws weights, batches and trees. `hyperparameters` are defaults that params override.
    """

    task: str = "regression"
    metric: str = ""
    target: str | None = None
    split: str = "kfold"
    folds: int = 5
    repeats: int = 1
    fraction: float = 0.2
    split_seed: int = 0
    epochs: int = 30
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_epochs: int = 5
    checkpoint_s: float = 30.0
    checkpoint_batches: int = 0

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise InputError(
                "trainer.task", f"no task is '{self.task}'", did_you_mean(self.task, TASKS)
            )
        if not self.metric:
            default = "mae" if self.task == "regression" else "balanced_accuracy"
            object.__setattr__(self, "metric", default)
        for name, least in (("epochs", 1), ("repeats", 1), ("folds", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(
                    f"trainer.{name}", f"must be a whole number >= {least}, got {value!r}"
                )
        for name in ("checkpoint_epochs", "checkpoint_s", "checkpoint_batches", "split_seed"):
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not 0 <= value < 2**32
            ):
                raise InputError(f"trainer.{name}", f"must be a number >= 0, got {value!r}")
        if not isinstance(self.hyperparameters, Mapping):
            raise InputError("trainer.hyperparameters", "must be a table of names and values")

    def __getstate__(self) -> dict[str, Any]:
        """Options only: what was loaded stays in the process that loaded it."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @property
    def target_name(self) -> str:
        return self.target or self.metric

    @property
    def cadence(self) -> Cadence:
        return Cadence(self.checkpoint_epochs, self.checkpoint_s, self.checkpoint_batches)

    def check_targets(self, targets: Iterable[Target]) -> None:
        """Before a run: InputError for a target that is not measured here, or that the run would
        push the wrong way.
        """
        known = self.reported()
        for target in targets:
            where = f"targets.{target.name}"
            if target.name not in known:
                mend = did_you_mean(target.name, known)
                raise InputError(where, "this trainer does not report it", mend)
            if known[target.name] != target.direction:
                better = "higher" if known[target.name] == "max" else "lower"
                what = f"direction is '{target.direction}', but {better} is better"
                raise InputError(where, what, f"use direction = '{known[target.name]}'")

    def reported(self) -> dict[str, str]:
        """What a measurement may hold, by name, and which way is better: max or min."""
        from matscout.models.metrics import named  # loads scikit-learn

        found = {"gap_to_dummy": "max"}
        own = named(self.metric)
        if own is not None:  # `check` says so if not
            found[self.target_name] = own.direction
        return found

    def fingerprint(self, data: str, params: Params, seed: int) -> str:
        """Of all that a trial's numbers depend on; `data` is the digest of rows and folds."""
        about = {
            "trainer": type(self).__name__,
            "data": data,
            "params": dict(params),
            "seed": seed,
            **{n: getattr(self, n) for n in ("task", "metric", "epochs")},
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def measurement(
        self, scores: Sequence[float], dummies: Sequence[float], sign: float, source: str
    ) -> Measurement:
        """The mean over folds, its SEM, and `gap_to_dummy`: by how much it beats a model that has
        seen only the targets (positive: better, whichever way the metric goes).

        The SEM is the spread of the folds' scores over sqrt(folds), and slightly too small, since
        folds share training rows (Bengio & Grandvalet 2004); repeats share all of them and are not
        counted. With one fold it is not known.
        """
        values = {self.target_name: float(np.mean(scores))}
        values["gap_to_dummy"] = sign * float(np.mean(np.subtract(scores, dummies)))
        sem = {}
        if len(scores) > 1 and math.isfinite(values[self.target_name]):
            independent = (
                max(len(scores) // self.repeats, 1) if self.split in REPEATED else len(scores)
            )
            sem[self.target_name] = float(np.std(scores, ddof=1) / math.sqrt(independent))
        return Measurement(values=values, sem=sem, source=source)


def digest(*parts: np.ndarray | str) -> str:
    """SHA-256 of arrays and texts, shapes included."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            data, about = part.encode(), "text"
        else:
            data, about = np.ascontiguousarray(part).tobytes(), f"{part.dtype} {part.shape}"
        found.update(f"{about} {len(data)};".encode() + data)
    return found.hexdigest()


def check_folds(
    folds: Iterable[tuple[np.ndarray, np.ndarray]],
    y: np.ndarray,
    chosen: Metric,
    mend: str = "use split = 'stratified', or fewer folds",
    *,
    pooled: bool = False,
) -> None:
    """InputError where a fold cannot be trained on, or judged by `chosen`.

    Of one row `rmse` says what `mae` does, and of one class `balanced_accuracy` what `accuracy` does:
    the mean over such folds would be another metric than its name says. Not so where the folds'
    errors are `pooled`.
    """
    for k, (train, judge) in enumerate(folds):
        if len(train) < 2:
            raise InputError("split", f"fold {k} trains on {len(train)} rows", "bring more rows")
        if len(judge) == 1 and not chosen.by_row and not pooled:
            what = f"fold {k} judges one row, and '{chosen.name}' is of several together"
            plain = "accuracy" if chosen.task == "classification" else "mae"
            raise InputError("split", what, f"use {plain}, or split = 'kfold' with fewer folds")
        if chosen.task != "classification":
            continue
        if len(np.unique(y[train])) < 2:
            raise InputError("split", f"fold {k} has one class only to train on", mend)
        if len(np.unique(y[judge])) < 2 and (chosen.sees == "score" or not chosen.by_row):
            what = f"fold {k} has one class only to judge by '{chosen.name}'"
            raise InputError("split", what, mend)


def check_first(folds: Iterable[tuple[np.ndarray, np.ndarray]], chosen: Metric) -> None:
    """Before a run: InputError where a fold judges fewer rows than `chosen` looks at: what is best of
    them would make no difference. A run that began with it goes on, and has the share of all.
    """
    for k, (_, judge) in enumerate(folds):
        if len(judge) < chosen.first:
            what = f"'{chosen.name}' looks at {chosen.first} rows, and fold {k} judges {len(judge)}"
            raise InputError("trainer.metric", what, "take a smaller number, or fewer folds")


def write_predictions(
    workdir: Path | None,
    names: Sequence[str],
    rows: Sequence[tuple[int, int, float, float]],
    more: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """predictions.csv in the attempt's folder: row, fold, truth and prediction of judged rows, and
    `more` about each by the name of its column.
    """
    if workdir is None:
        return
    beside = more or {}
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["row", "fold", "truth", "prediction", *beside])
    for place, (row, fold, truth, prediction) in enumerate(rows):
        own = [repr(float(column[place])) for column in beside.values()]
        writer.writerow([safe(names[row]), fold, repr(truth), repr(prediction), *own])
    write_beside(workdir, "predictions.csv", file.getvalue())


def write_beside(workdir: Path, name: str, text: str) -> None:
    """A file in the attempt's folder, on disk before the trial is acknowledged. OSError where the disk
    refuses."""
    workdir.mkdir(parents=True, exist_ok=True)
    replace_durably(workdir / name, text.encode())
