"""The card of a recipe, as files in its run's folder, and its figures as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from matscout.data.audit import Audit
from matscout.data.whole_file import write_whole
from matscout.drive.recipe_fold import Chosen, labels, plain
from matscout.drive.recipe_plan import Plan, Question
from matscout.drive.recipe_result import Honest
from matscout.drive.run import versions
from matscout.drive.shift import Shift
from matscout.evaluate.tabular_data import TabularData
from matscout.models.metrics import METRICS
from matscout.models.subgroups import (
    GroupScore,
    by_subgroup,
    chemical_systems,
    classes,
    deciles,
    elements,
)
from matscout.report.card import as_html, as_markdown
from matscout.report.card_sections import About, card, ranges
from matscout.runfolder import RunFolder

_OF_ERRORS = ("mae", "rmse")


def write_cards(
    folder: RunFolder, plan: Plan, found: Audit, whole: Chosen, result: Honest,
    data: TabularData, sha256: str, seconds: float, command: str, shift: Shift | str,
) -> list[Path]:  # fmt: skip
    """card.md and card.html. `shift` is what is lost out of distribution, or why that is not known."""
    table = data.table
    weakest, name = _weakest(plan, result, data)
    formulas = plan.options.get("formulas", ())
    y, numbers = table.target, plan.task == "regression"
    held = {symbol for column in formulas for symbol in elements(list(table.categorical[column]))}
    about = About(
        folder.name, sha256, command, {**versions(), "lightgbm": version("lightgbm")}, seconds,
        datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        (float(y.min()), float(y.max())) if numbers else None,
        () if numbers else tuple(table.classes), ranges(table.numeric), tuple(sorted(held)),
        weakest, name, *((None, shift) if isinstance(shift, str) else (shift, "")),
    )  # fmt: skip
    made = card(plan, found, whole, result, about)
    paths = [folder.root / "card.md", folder.root / "card.html"]
    for path, text in zip(paths, (as_markdown(made), as_html(made)), strict=True):
        write_whole(path, text.encode("utf-8", "replace"))
    return paths


def _weakest(plan: Plan, result: Honest, data: TabularData) -> tuple[list[GroupScore], str]:
    """Subgroups of the hidden rows, all folds together, and the metric that they are judged by."""
    table = data.table
    rows = np.searchsorted(data.rows, np.concatenate([f.rows for f in result.folds]).astype(int))
    truth = np.concatenate([f.truth for f in result.folds])
    guess = np.concatenate([labels(np.array(f.guess), f.threshold) for f in result.folds])
    kinds: dict[str, Mapping[str, np.ndarray]] = {}
    if plan.task == "regression":
        name = plan.metric.name if plan.metric.name in _OF_ERRORS else "mae"
        kinds["target"] = deciles(truth)
    else:
        name = "accuracy"
        kinds["class"] = classes(truth, table.classes)
        if plan.metric.sees == "score":
            guess = (guess >= 0.5).astype(float)
    for column in plan.options.get("formulas", ()):
        formulas = [str(table.categorical[column][row]) for row in rows]
        kinds["element"] = {
            symbol: own for symbol, own in elements(formulas).items() if 2 * len(own) <= len(rows)
        }  # an element of nearly every row says nothing of where the model fails
        kinds["system"] = chemical_systems(formulas)
    for column, values in table.categorical.items():
        if column not in plan.options.get("formulas", ()):
            kinds[column] = _groups(values[rows])
    return by_subgroup(truth, guess, kinds, METRICS[name]), name


def _groups(values: np.ndarray) -> dict[str, np.ndarray]:
    from matscout.models.subgroups import labels as by_label

    return by_label(values)


def command_of(
    space: Path, question: Question, minutes: float, workers: int, name: str, trials: int | None
) -> str:
    """The command line that does the same again."""
    words = [
        "matscout", "sweep", str(space), "--data", str(question.table), "--target", question.target,
    ]  # fmt: skip
    given: dict[str, Any] = {
        "task": question.task, "metric": question.metric, "group": question.group,
        "formula": question.formula, "structures": question.structures, "split": question.split,
        "cut": question.cut,
        "outer": question.outer, "outer-seed": question.outer_seed, "seed": question.seed,
        "sealed": question.sealed or None,
        "minutes": minutes, "workers": workers, "name": name, "trials": trials,
    }  # fmt: skip
    for key, value in given.items():
        if value not in ("", None):
            words += [f"--{key}", repr(value) if isinstance(value, float) else str(value)]
    words += ["--censored"] if question.censored else []
    return shlex.join(words)


def as_json(
    plan: Plan, whole: Chosen, result: Honest, seconds: float, cards: list[Path], shift: Shift | str
) -> dict[str, Any]:
    """For a machine; JSON knows no infinity."""
    body = {
        "metric": plan.metric.name,
        "task": plan.task,
        "outer": asdict(result.outer),
        "inner": asdict(result.inner),
        "optimism": asdict(result.optimism),
        "rivals": {n: asdict(e) for n, e in result.rivals.items()},
        "better_by": {n: asdict(e) for n, e in result.gaps.items()},
        "shift": None if isinstance(shift, str) else asdict(shift),
        "coverage": [asdict(c) for c in result.covers],
        "folds": [
            {"run": f.run, "inner": f.inner, "scores": dict(f.scores), "tried": f.tried,
             "members": [m.params for m in f.members], "seconds": f.seconds}
            for f in result.folds
        ],
        "members": [asdict(m) for m in whole.members],
        "threshold": whole.threshold,
        "decisions": list(plan.why),
        "seconds": seconds,
        "cards": [str(path) for path in cards],
    }  # fmt: skip
    found: dict[str, Any] = plain(body)
    return found
