"""`matscout predict RUN --weak`: on which rows of its own table a run's models hang by a thread."""

from __future__ import annotations

import json as jsonlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from matscout.cli.assemble import find_run
from matscout.cli.predict import chosen_of, trainer_of, who_predicts
from matscout.cli.predicted_csv import number_cells, with_cells
from matscout.data.text_table import read_text_table
from matscout.data.whole_file import write_whole
from matscout.drive.members import check_table, read_members
from matscout.drive.run import load
from matscout.drive.sheet import check_writable
from matscout.errors import InputError, one_line
from matscout.evaluate.predicting import shown_to
from matscout.evaluate.predicting_weak import weak_rows
from matscout.models.weak_robust import VARIANTS, WeakRobust
from matscout.report.markup import number

TENTH = 0.1


def weak(
    run: str, out: Path, runs: Path, epsilon: float, select: str | None, force: bool, json: bool
) -> int:
    """Write the rows that the models were trained on, the weakest first, to `out`."""
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise InputError("--input-error", f"must be above 0, got {epsilon:g}", "0.1 is usual")
    check_writable(out, force)
    folder = find_run(run, runs)
    history, spec = load(folder)
    recorded = read_members(folder) if select is None else None
    trainer, options = trainer_of(folder, spec, recorded)
    check_table(folder, trainer, None if recorded is None else recorded.table_sha256)
    chosen = chosen_of(folder, history, spec.seed, trainer, options, recorded, select)
    data = shown_to(trainer, [member.params for member in chosen.members])
    found = weak_rows(trainer, chosen.members, data, epsilon=epsilon)
    order = found.weakest(1.0)
    table = read_text_table(trainer.table)
    places = data.rows[order].tolist()
    text = replace(
        table,
        rows=tuple(table.rows[place] for place in places),
        lines=tuple(table.lines[place] for place in places),
    )
    cells: dict[str, list[Any]] = {f"{table.unit} of {trainer.table.name}": list(text.lines)}
    cells["weakness"] = number_cells(found.score[order])
    if trainer.task == "classification":
        cells["overturned"] = number_cells(found.flipped[order])
    write_whole(out, with_cells(text, cells).encode("utf-8", "replace"))
    worst = f"{table.unit} {text.lines[0]}" if len(order) else ""
    if json:
        body = {
            "file": str(out), "rows": len(order), "wrong": int((~found.right).sum()),
            "input_error": epsilon, "variants": VARIANTS, "weakest": worst or None,
            "scores": found.score[order].tolist(),
        }  # fmt: skip
        print(jsonlib.dumps(body, indent=1, allow_nan=False))
        return 0
    print(one_line(f"{out}: {len(order)} rows, the weakest first, by {who_predicts(chosen)}"))
    how = f"{VARIANTS} times by {number(epsilon)} of each number's standard deviation"
    print(one_line(f"moved {how}, {_said(found, order, trainer.task, worst)}"))
    if not found.right.all():
        wrong = int((~found.right).sum())
        print(f"left out: {wrong} that are predicted wrongly as they are")
    return 0


def _said(found: WeakRobust, order: np.ndarray, task: str, worst: str) -> str:
    """What the weakest tenth is worth."""
    if not len(order):
        return "no row is predicted rightly"
    tenth = order[: max(1, round(TENTH * len(order)))]
    if task == "regression":
        middle, most = float(np.median(found.score)), float(found.score[order[0]])
        return f"predictions move by {number(middle)} (median), by {number(most)} at {worst}"
    share, all_of = float(found.flipped[tenth].mean()), float(found.flipped[order].mean())
    return (
        f"labels are overturned in {all_of:.1%} of the neighbours, in {share:.1%} of those of the"
        f" weakest tenth; first: {worst}"
    )
