"""The one look at a run's sealed test set: journalled before it is taken, and what it said after.

The seal itself lies beside the runs, one for each table and target, so that another run of the same
table cannot look again under another name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from matscout.data.sealed import open_seal, read_seal, seal
from matscout.data.sealed_share import parts_of
from matscout.data.tables import Table
from matscout.drive.members import Members
from matscout.drive.run import reopen
from matscout.errors import InputError
from matscout.evaluate.outer import sealed_seed
from matscout.evaluate.tabular_data import sealed_kind, whole
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.event import Event, EventKind
from matscout.runfolder import RunFolder

SEALS = ".sealed"


def set_aside(runs: Path, trainer: TabularTrainer) -> str:
    """Write the seal down, before anything learns from the rest, and say when it was opened already:
    nothing if never. InputError where other rows of the table were sealed before.
    """
    return read_seal(_sealed(runs, trainer)[0]).opened


def open_once(
    folder: RunFolder, trainer: TabularTrainer, chosen: Members, options: Mapping[str, Any]
) -> np.ndarray:
    """The sealed rows, by number; that they are looked at is in the journal and in the seal by then.

    InputError where they were looked at before. A look that was cut off before it said anything
    may be taken again by the same model.
    """
    if not trainer.sealed:
        what = f"run '{folder.name}' has no sealed rows"
        raise InputError(
            "--final", what, "they are set aside at the start: matscout sweep --sealed 0.2"
        )
    if trainer.outer_folds:
        what = f"run '{folder.name}' is one outer fold, and its model not the final one"
        raise InputError("--final", what, "name the run of which it is a fold")
    model = _digest(chosen, options)
    journal, _, _ = reopen(folder)
    with journal:
        for event in journal.read():
            if event.kind is EventKind.UNSEALED and "value" in event.body:
                about = event.body
                value = about["value"]  # a text where it is not finite
                told = value if isinstance(value, str) else f"{value:.6g}"
                what = (
                    f"the sealed test set of '{folder.name}' was opened on {about['when']}:"
                    f" {about['metric']} {told} on {about['rows']} rows"
                )
                raise InputError("--final", what, "report that result; a new claim needs new rows")
        path, table = _sealed(folder.root.parent, trainer)
        when = _now()
        rows = open_seal(path, table, final=True, model=model, when=when)
        body = {"model": model, "rows": len(rows), "when": when}
        journal.append(Event(EventKind.UNSEALED, body=body))
    return rows


def say_once(folder: RunFolder, metric: str, value: float, rows: int) -> None:
    """Journal what the look has said: it was the last one."""
    told = value if np.isfinite(value) else str(value)
    body = {"metric": metric, "value": told, "rows": rows, "when": _now()}
    journal, _, _ = reopen(folder)
    with journal:
        journal.append(Event(EventKind.UNSEALED, body=body))


def _sealed(runs: Path, trainer: TabularTrainer) -> tuple[Path, Table]:
    """The seal, which is made if there is none, and what it is drawn from: targets and groups alone, so
    that a run that learns from other columns finds the same seal. So does one of the same rows in
    another order, which would be drawn otherwise, and is refused.
    """
    read = whole(trainer)
    table = Table(
        read.name, read.target_name, read.target, classes=read.classes, groups=read.groups
    )
    ordered = np.sort(read.target)
    digest = hashlib.sha256(repr(read.target_name).encode() + ordered.tobytes()).hexdigest()
    path = runs / SEALS / f"{digest[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    seal(
        path, table, kind=sealed_kind(trainer), parts=parts_of(trainer.sealed),
        seed=sealed_seed(trainer.split_seed),
    )  # fmt: skip
    return path, table


def _digest(chosen: Members, options: Mapping[str, Any]) -> str:
    """Of all that decides the predictions."""
    body = {
        "options": dict(options),
        "members": [(m.trial, dict(m.params), m.seed) for m in chosen.members],
        "threshold": chosen.threshold,
        "metric": chosen.metric,
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
