"""`matscout predict RUN new.csv`: what the models of a run say of rows without a target."""

from __future__ import annotations

import json as jsonlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from matscout.cli import registry
from matscout.cli.assemble import find_run
from matscout.cli.predicted_csv import belief_cells, number_cells, with_cells
from matscout.cli.predicted_words import bounds, finite, score_told
from matscout.data.new_structures import holds_structures
from matscout.data.table_digest import table_digest
from matscout.data.whole_file import write_whole
from matscout.drive.config import Part
from matscout.drive.final import open_once, say_once
from matscout.drive.members import (
    Members,
    Recorded,
    check_left,
    check_table,
    choose_members,
    deviation,
    read_members,
)
from matscout.drive.run import RunSpec, load
from matscout.drive.sheet import check_writable
from matscout.errors import InputError, RunFailed, one_line
from matscout.evaluate.predicting import Guess, Predicted, predict_rows, shown_to
from matscout.evaluate.predicting_bounds import intervals, label_sets
from matscout.evaluate.predicting_rows import NewRows, read_new_rows
from matscout.evaluate.tabular_data import TabularData, sealed_fold, whole
from matscout.evaluate.trainer_tabular import TabularTrainer
from matscout.history import History
from matscout.models.metrics import Metric, metric, of_values
from matscout.report.markup import number
from matscout.runfolder import RunFolder

FINAL = "that was the sealed test set: the opening is journalled, and it is not opened again"
SAME = 1e-9
"""Up to which share of the targets' spread a model fitted again passes for the same."""


@dataclass(frozen=True)
class Answer:
    """All that is written and said. `cells` are the new columns by name, (m,) each."""

    folder: RunFolder
    trainer: TabularTrainer
    chosen: Members
    rows: NewRows
    level: float
    cells: dict[str, list[Any]]
    metric: Metric
    inner: float
    score: float | None
    scored: int
    wide: float
    again: float


def predict(
    run: str, new: Path | None, out: Path, runs: Path, level: float, select: str | None, force: bool,
    final: bool, json: bool,
) -> int:  # fmt: skip
    """Predict the rows of `new` (with `final`, of the sealed test set), and write them with their
    intervals and warnings to `out`."""
    if (new is None) != final:
        what = "is missing" if new is None else "and --final do not go together"
        raise InputError("NEW.csv", what, "name a table, or say --final for the sealed test set")
    if not 0.0 < level < 1.0:
        raise InputError("--interval", f"must lie between 0 and 1, got {level:g}", "0.9 is usual")
    check_writable(out, force)
    if new is not None and out.exists() and new.exists() and out.samefile(new):
        raise InputError(str(out), "is the file of new rows itself", "choose another file")
    if new is not None and os.path.isdir(new) and out.absolute().parent.samefile(new):
        what = "lies in the folder of structures, of which a CSV file is the list"
        raise InputError(str(out), what, "choose another folder")
    folder = find_run(run, runs)
    history, spec = load(folder)
    if (spec.config.get("evaluator") or {}).get("type") == "crystal_graph":
        from matscout.cli.predict_crystals import predict as of_crystals  # tables need no graphs

        return of_crystals(folder, history, spec, new, out, level, select, json)
    recorded = read_members(folder) if select is None else None
    trainer, options = trainer_of(folder, spec, recorded)
    check_table(folder, trainer, None if recorded is None else recorded.table_sha256)
    known = [t.params for t in history.trials]
    known += [] if recorded is None else [m.params for m in recorded.chosen.members]
    data = shown_to(trainer, known)  # whichever of them it will be
    rows = None if new is None else _new_rows(new, trainer, data)
    chosen = chosen_of(folder, history, spec.seed, trainer, options, recorded, select)
    if rows is None:
        kept = open_once(folder, trainer, chosen, options).tolist()
        rows = read_new_rows(trainer.table, trainer, data, kept)
    made = predict_rows(trainer, chosen.members, rows.x, folds=True, data=data)
    answer = _answer(folder, history, trainer, chosen, rows, level, made)
    if final:
        answer = replace(answer, cells=_renamed(answer.cells, rows.text.header))
    # The opening is journalled: a crash from here on lets the same model look, and write, again.
    write_whole(out, with_cells(rows.text, answer.cells).encode("utf-8", "replace"))
    if final:
        assert answer.score is not None
        say_once(folder, answer.metric.name, answer.score, answer.scored)
    if json:
        print(jsonlib.dumps({**_plain(answer, out), "final": final}, indent=1, allow_nan=False))
    else:
        for line in [*lines(answer, out), *([FINAL] if final else [])]:
            print(one_line(line))
    return 0


def _new_rows(new: Path, trainer: TabularTrainer, data: TabularData) -> NewRows:
    """Of the run's own table the sealed rows are predicted, and not scored: that is for --final."""
    if holds_structures(new):
        what = f"holds crystal structures, and the run learned from a table, {trainer.table.name}"
        raise InputError(str(new), what, "name a table with the same columns")
    rows = read_new_rows(new, trainer, data)
    if not trainer.sealed or rows.truth is None or table_digest(new) != table_digest(trainer.table):
        return rows
    truth = rows.truth.copy()
    truth[sealed_fold(trainer, whole(trainer))[1]] = math.nan
    return replace(rows, truth=truth)


def _renamed(cells: dict[str, list[Any]], header: Sequence[str]) -> dict[str, list[Any]]:
    """The sealed rows are looked at by now, and their table cannot be mended any more: a new column
    whose name is taken gets another.
    """
    out = {}
    for name, column in cells.items():
        free = name
        while free in header:
            free = f"final {free}"
        out[free] = column
    return out


def trainer_of(
    folder: RunFolder, spec: RunSpec, recorded: Recorded | None
) -> tuple[TabularTrainer, dict[str, Any]]:
    """The run's evaluator and its options. InputError for a run of another evaluator, and a campaign."""
    part = spec.config.get("evaluator") or {}
    kind = part.get("type", "none: people measure")
    if kind != "tabular" or spec.kind != "sweep":
        what = f"predicts the rows of tables, and run '{folder.name}' is a {spec.kind} of {kind}"
        raise InputError("predict", what, "name a sweep of the evaluator tabular")
    # The folds that judged the trials are those of the run itself, whatever a recipe adds to them.
    beside = {} if recorded is None else dict(recorded.options)
    options = {**beside, **{k: v for k, v in part.items() if k != "type"}}
    base = Path(spec.origin.get("path", "")).absolute().parent
    made = registry.evaluator_factory(Part(type="tabular", **options), base)()
    return cast(TabularTrainer, made), options


def _answer(
    folder: RunFolder, history: History, trainer: TabularTrainer, chosen: Members, rows: NewRows,
    level: float, made: Predicted,
) -> Answer:  # fmt: skip
    data = trainer.data
    judge = of_values(data.metric)
    if chosen.metric:
        judge = metric(chosen.metric, trainer.task, len(data.table.classes))
    sure = np.zeros(len(rows)) if made.belief is None else made.belief.sd
    odd = np.flatnonzero(~np.isfinite(made.new.seen + sure))
    if len(odd):
        line = rows.text.at(int(odd[0]))
        raise RunFailed(f"{line}: the models of {folder.name} give no finite prediction")
    truth = data.table.target
    if trainer.task == "regression":
        low, high = intervals(made.folds, truth, made.new.seen, level)
        wide = float(np.median(high - low))
        cells = {
            "prediction": number_cells(made.new.seen),
            "low": number_cells(low),
            "high": number_cells(high),
            **({} if made.belief is None else belief_cells(made.belief)),
        }
    else:
        cells, wide = _class_cells(trainer, chosen, made, level)
    cells["warning"] = list(rows.warnings)
    judged = np.concatenate([fold.judged for fold in made.folds])
    known = np.zeros(0, dtype=int) if rows.truth is None else np.flatnonzero(~np.isnan(rows.truth))
    score = None
    if len(known):
        assert rows.truth is not None
        few = len(known) < judge.first  # which of them are best makes no difference
        score = (
            math.nan
            if few
            else judge.score(rows.truth[known], _viewed(made.new, judge, chosen, trainer)[known])
        )
    parts = [_viewed(fold.of_judged, judge, chosen, trainer) for fold in made.folds]
    return Answer(
        folder, trainer, chosen, rows, level, cells, judge,
        judge.score(truth[judged], np.concatenate(parts)), score, len(known), wide,
        deviation(folder, history, trainer, chosen.members, made),
    )  # fmt: skip


def _class_cells(
    trainer: TabularTrainer, chosen: Members, made: Predicted, level: float
) -> tuple[dict[str, list[Any]], float]:
    classes, chances = trainer.data.table.classes, made.new.chances
    assert chances is not None
    labels = _labels(made.new, chosen, trainer)
    sets = label_sets(made.folds, trainer.data.table.target, labels, level)
    cells: dict[str, list[Any]] = {"prediction": [classes[int(label)] for label in labels]}
    for place, name in enumerate(classes):
        cells[f"probability of {name}"] = number_cells(chances[:, place])
    cells["set"] = [
        " | ".join(name for name, inside in zip(classes, row, strict=True) if inside)
        for row in sets.tolist()
    ]
    return cells, float(sets.sum(axis=1).mean())


def _labels(guess: Guess, chosen: Members, trainer: TabularTrainer) -> np.ndarray:
    assert guess.labels is not None and guess.chances is not None
    if chosen.threshold is None:
        return guess.labels
    scores = guess.seen if trainer.data.metric.sees == "score" else guess.chances[:, 1]
    return (scores >= chosen.threshold).astype(float)


def _viewed(guess: Guess, judge: Metric, chosen: Members, trainer: TabularTrainer) -> np.ndarray:
    """What `judge` sees of the guess."""
    if judge.sees == "value":
        return guess.seen
    if judge.sees == "label":
        return _labels(guess, chosen, trainer)
    if trainer.data.metric.sees == "score":
        return guess.seen
    assert guess.chances is not None
    return guess.chances[:, 1]


def lines(answer: Answer, out: Path) -> list[str]:
    """What a person reads: what predicted, how far to trust it, and where not."""
    trainer, judge = answer.trainer, answer.metric
    trained, count = len(trainer.data.rows), len(answer.rows)
    who = who_predicts(answer.chosen)
    said = [
        f"{out}: {count} rows, predicted by {who}, fitted on {trained} rows",
        f"chosen: {answer.chosen.why}",
        f"{judge.name} on the rows of the table, each by models trained without it:"
        f" {number(answer.inner)}",
        bounds(trainer.task, answer.level, answer.wide, one="row", many="rows", of="table"),
    ]
    outside = sum(bool(text) for text in answer.rows.warnings)
    if outside:
        said.append(f"{outside} of {count} rows lie outside what was learned from: see 'warning'")
    if answer.score is not None:
        said.append(
            f"{judge.name} on the {answer.scored} new rows with a '{trainer.predict}':"
            f" {score_told(answer.score)}"
        )
    if trainer.objective in ("sorted", "time") or trainer.outer_folds:
        said.append(_beware(trainer))
    if _differs(answer):
        said.append(
            "beware: fitted again, the models differ from what the trials left behind by up to"
            f" {number(answer.again)}: trained on another device, or with other versions"
        )
    return said


def chosen_of(
    folder: RunFolder, history: History, seed: int, trainer: TabularTrainer,
    options: Mapping[str, Any], recorded: Recorded | None, select: str | None,
) -> Members:  # fmt: skip
    """Who predicts: what a recipe has recorded, else what the rule `select` takes. Whatever they need of
    what their trials left is there."""
    chosen = (
        choose_members(folder, history, seed, trainer, options, select)
        if recorded is None
        else recorded.chosen
    )
    check_left(folder, history, trainer, chosen.members)
    return chosen


def who_predicts(chosen: Members) -> str:
    """The members in words."""
    if len(chosen.members) > 1:
        names = ", ".join(str(m.trial) for m in chosen.members)
        return f"the mean of trials {names}"
    only = chosen.members[0].trial
    return "the untuned model" if only is None else f"trial {only}"


def _beware(trainer: TabularTrainer) -> str:
    if trainer.outer_folds:
        return (
            f"beware: fitted without the rows of outer fold {trainer.outer_fold}, as that sweep was"
        )
    return (
        f"beware: the folds of '{trainer.objective}' go beyond what they were trained on, and so do"
        " the intervals"
    )


def _differs(answer: Answer) -> bool:
    spread = float(np.ptp(answer.trainer.data.table.target)) or 1.0
    return answer.again > SAME * spread


def _plain(answer: Answer, out: Path) -> dict[str, Any]:
    data = answer.trainer.data
    columns = {
        name: [None if cell == "" and name.endswith(("low", "high")) else cell for cell in cells]
        for name, cells in answer.cells.items()
    }
    return {
        "file": str(out),
        "run": str(answer.folder.root),
        "members": [
            {"trial": m.trial, "params": dict(m.params), "seed": m.seed}
            for m in answer.chosen.members
        ],
        "why": answer.chosen.why,
        "target": answer.trainer.predict,
        "task": answer.trainer.task,
        "classes": list(data.table.classes),
        "trained_on": len(data.rows),
        "metric": answer.metric.name,
        "inner": finite(answer.inner),
        "score": finite(answer.score),
        "scored": answer.scored,
        "interval": answer.level,
        "width": finite(answer.wide),
        "outside": sum(bool(text) for text in answer.rows.warnings),
        "reproduced": not _differs(answer) if math.isfinite(answer.again) else None,
        "rows": columns,
    }
